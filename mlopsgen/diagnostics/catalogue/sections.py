"""2xx: what must hold across sections."""

from mlopsgen.diagnostics.catalogue.code import SMALLEST, Code

_SCRATCH = """\
version: 1
project: {name: docs}
data: {raw: data/raw}
model:
  architecture: {hidden_size: 64, layers: 2, heads: 4, vocab_size: 512}
"""

CODES = (
    Code("E201", "credential in the spec", "What stands in Git is known to everyone who can read it, for ever.", "Revoke it; keep the new one in a Secret and name that: `{secret: NAME, key: KEY}`.", SMALLEST + "x-token: AKIAABCDEFGHIJKLMNOP\n", (5, 10)),
    Code("E202", "role missing", "The task needs columns that no column plays the role of.", "Name a column so, or give one the `role`.", "version: 1\nproject: {name: docs}\ndata: {raw: d, columns: {prompt: {}}}\nmodel: {base: acme/tiny, task: instruction-tuning}\n", (3, 16)),
    Code("E203", "role taken twice", "It is not clear which of two columns is meant.", "Give one of them `role: other`.", "version: 1\nproject: {name: docs}\ndata: {raw: d, columns: {instruction: {}, input: {}, output: {}}}\nmodel: {base: acme/tiny}\n", (3, 43)),
    Code("E204", "no such column", "A column is named that `data.columns` does not have.", "Correct the name.", "version: 1\nproject: {name: docs}\ndata: {raw: d, split: {group_by: promt}}\nmodel: {base: acme/tiny}\n", (3, 34)),
    Code("E205", "adapter without a base", "Low-rank adaptation changes a pre-trained model; there is none.", "Drop `adapter`, or name a `base`.", _SCRATCH + "  adapter: {r: 8}\n", (6, 3)),
    Code("E206", "packing of classes", "Packed sequences hold several records, a classifier gives one label per sequence.", "Write `packing: false`.", "version: 1\nproject: {name: docs}\ndata: {raw: data/raw}\nmodel: {base: acme/tiny, task: text-classification}\ntraining: {packing: true}\n", (5, 21)),
    Code("W207", "GPU in fp32", "Serving fp32 on a GPU takes twice the memory of bf16 at half the speed.", "Train in `bf16`, or serve with vLLM.", SMALLEST + "serving: {resources: {gpu: 1}}\n", (5, 28)),
    Code("E208", "not a searchable field", "A search can set scalar fields of `training` and `model`.", "Name one of them, `adapter.r` for the adapter's.", SMALLEST + "training: {search: {parameters: {learning_rat: {choice: [1e-4]}}}}\n", (5, 34)),
    Code("E209", "value not valid for the field", "A trial with this value could not run.", "Choose values that the field accepts.", SMALLEST + "training: {search: {parameters: {batch_size: {choice: [8, 0]}}}}\n", (5, 59)),
    Code("E210", "no such metric", "The evaluation of this task does not report it, so it could never be judged.", "Name one that it reports.", SMALLEST + "evaluation: {gates: {val_los: {max: 2.0}}}\n", (5, 22)),
    Code("E211", "steps that do not rise to 100%", "A canary grows step by step until it has all of the traffic.", "Let every step be larger than the one before, and end at `100%`.", SMALLEST + "rollout: {steps: [5%, 50%, 25%, 100%]}\n", (5, 28)),
    Code("W212", "step sees too few requests", "With fewer than `min_requests` a step is held, neither passed nor failed.", "Lengthen `hold`, begin with a larger step, or lower `min_requests`.", SMALLEST + "rollout: {expected_rate: 1}\n", (5, 26)),
    Code("W213", "regression too small to see", "At the stated traffic a step ends before the stated regression could be told from chance.", "Lengthen `hold`, or accept a larger ratio.", SMALLEST + "rollout: {expected_rate: 10, against_champion: {error_rate: {max_ratio: 2}}}\n", (5, 61)),
    Code("W214", "alert slower than the canary", "A step is passed before the alert could fire.", "Shorten the alert's `for`, or lengthen `rollout.hold`.", SMALLEST + "monitoring: {alerts: {error_rate: {max: 5%, for: 20m}}}\n", (5, 50)),
    Code("E215", "two sticky headers", "Experiment and rollout would tell users apart differently and move them to and fro.", "Use one header.", SMALLEST + "rollout: {sticky: {header: x-user-id}}\nexperiment: {sticky: {header: x-session}}\n", (6, 31)),
    Code("E216", "traffic claimed twice", "Experiment and canary together take more than all of the traffic.", "Lower `experiment.traffic`, or the largest step.", SMALLEST + "experiment: {sticky: {header: x-user-id}, traffic: 60%}\n", (5, 52)),
    Code("E217", "branch shared", "A push would deploy to two environments at once.", "One branch per environment.", SMALLEST + "environments:\n  staging: {branch: main}\n  production: {branch: main}\n", (7, 24)),
    Code("E218", "namespace shared or too long", "Objects of two environments would overwrite each other; Kubernetes allows 63 characters.", "Set `namespace`.", SMALLEST + "environments:\n  staging: {namespace: ml}\n  production: {namespace: ml}\n", (7, 27)),
    Code("E219", "approval without a workflow", "The GitHub environment asks for the approval, and `targets.github` is off.", "Switch it on, or drop `approval`.", SMALLEST + "environments:\n  production: {approval: true}\ntargets: {github: false}\n", (6, 26)),
    Code("E220", "limit above the timeout", "Requests end at the timeout, so the limit could never be reached.", "Lower the limit, or raise `serving.timeout`.", SMALLEST + "monitoring: {alerts: {latency_p95: {max: 60s}}}\n", (5, 42)),
    Code("W221", "unmanaged file that nobody writes", "The line has no effect.", "Drop it.", SMALLEST + "unmanaged: [docker/trian.Dockerfile]\n", (5, 13)),
    Code("W222", "patch of a file that nobody writes", "The patch has no effect; perhaps its target is switched off.", "Correct `file`, or drop the patch.", SMALLEST + "patches: [{file: dvc.yml, ops: [{op: remove, path: /plots}]}]\n", (5, 18)),
    Code("E223", "patch does not fit", "An operation names a path or object that the file does not have.", "Look at the file, correct the pointer.", SMALLEST + "patches: [{file: dvc.yaml, ops: [{op: remove, path: /plot}]}]\n", (5, 34)),
    Code("W224", "template that replaces nothing", "No target uses a template of this name.", "Name it like one of ours, or delete it."),
    Code("E225", "templates cannot be read", "The folder under `templates` does not exist, or holds more than 1000 files or one over 1 MiB.", "Correct the path.", SMALLEST + "templates: ops/templates\n", (5, 12)),
    Code("E226", "custom engine and its address", "A `custom` engine is reached at an address, and only a custom one.", "Give `address`, or choose another engine.", SMALLEST + "serving: {engine: custom}\n", (5, 19)),
    Code("E227", "look later than the step", "A step would end before anyone looked at it.", "Make `check_every` at most `hold`.", SMALLEST + "rollout: {check_every: 20m}\n", (5, 24)),
    Code("E228", "deadline before the end", "Even a healthy rollout would be rolled back.", "Raise `deadline` above steps times `hold`.", SMALLEST + "rollout: {deadline: 30m}\n", (5, 21)),
    Code("E229", "no such preprocessing step", "The runtime has no step of this name.", "Name one it has, or your own as `module:function`.", "version: 1\nproject: {name: docs}\ndata: {raw: data/raw}\nmodel: {base: acme/tiny, preprocess: [stripp]}\n", (4, 39)),
    Code("E230", "target not installed", "`targets.others` names an entry point that no installed package has.", "Install the package, or drop the name.", SMALLEST + "targets: {others: [nobody-has-this]}\n", (5, 20)),
    Code("E231", "target failed", "A target of another package raised an exception.", "Tell its authors; switch it off meanwhile."),
)
