"""Commands of the runtime package, as generated files call them."""

from __future__ import annotations

PROGRAM = "mlops-runtime"

COMMANDS = {
    "collect": "Fetch the raw records with the function named by `data.collect`.",
    "prepare": "Normalise, drop duplicates, split; write the training and validation parts.",
    "validate": "Hold the data to the contract of `data`; write an HTML and a JSON report.",
    "drift": "Compare the data with a reference; write a report; obey `data.drift.action`.",
    "train": "Train, checkpoint, track; write the model and its metrics.",
    "search": "Run the hyperparameter search as nested runs.",
    "evaluate": "Score the model on the validation part.",
    "benchmark": "Measure latency and throughput of the model.",
    "safety": "Run the safety suite.",
    "bias": "Run the bias suite.",
    "gate": "Judge all metrics by `evaluation`; exit code 1 when one is outside of its limits.",
    "register": "Register the model with its lineage; the new version becomes the challenger.",
    "promote": "Make a version the champion.",
    "rollback": "Return to an earlier champion.",
    "release": "Write which image and model version an environment runs into its release file.",
    "runs": "Search the tracked runs by a filter, the best first.",
    "compare": "Show two runs side by side: parameters, data, code and metrics that differ.",
    "history": "Show what was in production when.",
    "serve": "Serve the model.",
    "smoke": "Send the smoke prompts to a deployed endpoint.",
    "bench": "Put load on a served model: latency percentiles, throughput, errors.",
    "quality": "Export quality metrics on a schedule.",
    "experiment": "Plan an A/B test, assign its users, analyse what they got.",
    "rollout": "Drive, watch, pause, abort or promote a canary.",
}
"""Name and meaning; the runtime has exactly these."""


def command(name: str, *arguments: str) -> str:
    """The command line that runs `name`.

    Raises:
        KeyError: the contract has no such command.
    """
    COMMANDS[name]
    return " ".join((PROGRAM, name, *arguments))


def model_tests(*arguments: str) -> str:
    """The command line that runs the suite of model tests, without its end-to-end level unless asked for it."""
    return " ".join(("pytest -p mlops_runtime.testing --pyargs mlops_runtime.testing.suite", *arguments))


def distributed(name: str, processes: int) -> str:
    """The command line that runs `name` once per GPU of a machine; plainly for one GPU or none."""
    if processes < 2:
        return command(name)
    COMMANDS[name]
    return f"torchrun --standalone --nproc-per-node {processes} --module mlops_runtime {name}"
