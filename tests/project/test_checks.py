"""Every check across sections points at all the places that take part.

In the specs below `«…»` marks where a finding is, and `‹…›` the other places, in the order in which they are told.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from mlopsgen.diagnostics import Diagnostic, Failed, Span
from mlopsgen.diagnostics.catalogue.code import SMALLEST
from mlopsgen.project.resolve import examine, resolve
from mlopsgen.spec.load import parse
from mlopsgen.spec.tree import Node
from tests.conftest import FULL
from tests.spec.corpus import samples, tree

RAW = "{raw: data/raw}"
MODEL = "{base: acme/tiny}"
STICKY = "sticky: {header: x-user-id}"


def with_data(data: str, rest: str = "", model: str = MODEL) -> str:
    return SMALLEST.replace(RAW, data).replace(MODEL, model) + rest


SCRATCH = "{architecture: {hidden_size: 64, layers: 2, heads: 4, vocab_size: 512}"
CLASSES = "{base: a, task: ‹text-classification›}"

CASES: dict[str, str] = {
    "E202": with_data("{raw: d, «columns»: {prompt: {}}}", model="{base: a, task: ‹instruction-tuning›}"),
    "E202 without a task": with_data("{raw: d, «columns»: {prompt: {}}}"),
    "E203": with_data("{raw: d, columns: {instruction: ‹{}›, «input»: {}, output: {}}}"),
    "E203 by role": with_data("{raw: d, columns: {text: ‹{}›, «body»: {role: text}}}"),
    "E204 duplicates": with_data("{raw: d, columns: ‹{prompt: {}, response: {}}›, duplicates: {columns: [prompt, «promt»]}}"),
    "E204 split": with_data("{raw: d, columns: ‹{prompt: {}, response: {}}›, split: {group_by: «customer»}}"),
    "E204 drift": with_data("{raw: d, columns: ‹{prompt: {}, response: {}}›, drift: {features: {«respons»: [length]}}}"),
    "E204 usual columns": with_data("{raw: d, split: {group_by: «customer»}}"),
    "E205": with_data(RAW, model=SCRATCH.replace("architecture: {", "architecture: ‹{").replace("512}", "512}›") + ", «adapter»: {r: 8}}"),
    "E206": with_data(RAW, "training: {packing: «true»}\n", CLASSES),
    "W207": SMALLEST + "serving: {resources: {gpu: «1»}}\ntraining: {precision: ‹fp32›}\n",
    "W207 by default": SMALLEST + "serving: {resources: {gpu: «1»}}\n",
    "E208": SMALLEST + "training: {search: {parameters: {«learning_rat»: {choice: [1]}}}}\n",
    "E208 adapter": SMALLEST + "training: {search: {parameters: {«adapter.r»: {choice: [1]}}}}\n",
    "E208 section": SMALLEST + "training: {search: {parameters: {«checkpoint»: {choice: [1]}}}}\n",
    "E209": SMALLEST + "training: {search: {parameters: {batch_size: {choice: [8, «0»]}}}}\n",
    "E209 uniform": SMALLEST + "training: {search: {parameters: {weight_decay: {uniform: [0.1, «1.5»]}}}}\n",
    "E209 text": SMALLEST + "training: {search: {parameters: {precision: {choice: [bf16, «bf17»]}}}}\n",
    "E210 gate": with_data(RAW, "evaluation: {gates: {«val_perplexity»: {max: 2.0}}}\n", CLASSES),
    "E210 champion": SMALLEST + "evaluation: {against_champion: {metric: «val_f1»}}\n",
    "E210 search": SMALLEST + "training: {search: {metric: {name: «val_f1»}, parameters: {seed: {choice: [1]}}}}\n",
    "E211": SMALLEST + "rollout: {steps: [5%, ‹50%›, «25%», 100%]}\n",
    "E211 same": SMALLEST + "rollout: {steps: [‹5%›, «5%», 100%]}\n",
    "E211 zero": SMALLEST + "rollout: {steps: [«0%», 100%]}\n",
    "E211 end": SMALLEST + "rollout: {steps: [5%, «50%»]}\n",
    "W212": SMALLEST + "rollout: {expected_rate: «1», hold: ‹9m›, min_requests: ‹100›}\n",
    "W212 by default": SMALLEST + "rollout: {expected_rate: «1»}\n",
    "W213": SMALLEST + "rollout: {expected_rate: 10, hold: ‹9m›, against_champion: {error_rate: «{max_ratio: 2}»}}\n",
    "W214": SMALLEST + "rollout: {hold: ‹9m›}\nmonitoring: {alerts: {error_rate: {max: 5%, for: «20m»}, traffic_drop: null}}\n",
    "W214 custom": SMALLEST + "monitoring: {alerts: {custom: [{name: A, expr: model_queue_depth > 1, summary: c, for: «20m»}]}}\n",
    "W214 by default": SMALLEST + "rollout: {hold: «9m»}\n",
    "E215": SMALLEST + "rollout: {engine: istio, sticky: {header: ‹x-user-id›}}\nexperiment: {sticky: {header: «x-session»}}\n",
    "E216": SMALLEST + f"rollout: {{engine: istio, steps: ‹[5%, 50%, 100%]›}}\nexperiment: {{{STICKY}, traffic: «60%»}}\n",
    "E217": SMALLEST + "environments: {a: {branch: ‹main›}, b: {branch: «main»}}\n",
    "E218": SMALLEST + "environments: {a: {namespace: ‹ml›}, b: {namespace: «ml»}}\n",
    "E218 derived": SMALLEST + "environments: {a: {namespace: ‹docs-b›}, b: «{}»}\n",
    "E218 long": SMALLEST.replace("docs", "d" * 40) + f"environments: {{«{'e' * 40}»: {{}}}}\n",
    "E219": SMALLEST + "targets: {github: ‹false›}\nenvironments: {a: {approval: «true»}}\n",
    "E220 alert": SMALLEST + "serving: {timeout: ‹5s›}\nmonitoring: {alerts: {latency_p95: {max: «60s»}}}\n",
    "E220 slo": SMALLEST + "serving: {timeout: ‹5s›}\nmonitoring: {slo: {latency: {max: «5s»}}}\n",
    "E220 gate": SMALLEST + "serving: {timeout: ‹5s›}\nrollout: {gates: {latency_p95: {max: «6s»}}}\n",
    "E226": SMALLEST + "serving: {engine: «custom»}\n",
    "E226 other": SMALLEST + "serving: {engine: ‹vllm›, «address»: ENGINE_URL}\n",
    "E227": SMALLEST + "rollout: {check_every: «20m», hold: ‹9m›}\n",
    "E228": SMALLEST + "rollout: {deadline: «10m», hold: ‹9m›, steps: ‹[5%, 100%]›}\n",
    "E229": with_data(RAW, model="{base: a, preprocess: [strip, «nfkd»]}"),
    "E232": SMALLEST + "evaluation: {safety: {prompts: 'a', refusal_rate: {min: 5%}}}\nci: {quality: {lint: «'echo ${{ x }}'»}}\n",
    "E233": SMALLEST + "serving: {replicas: {min: ‹2›, min_available: «2»}}\n",
    "E233 one": SMALLEST + "serving: {replicas: {min_available: «1»}}\n",
    "E234": SMALLEST + "serving: {engine: vllm, resources: {gpu: 1, gpu_pool: ‹1›}, update: {surge: «1»}}\n",
    "E234 replicas": SMALLEST + "serving: {engine: vllm, resources: {gpu: 2, gpu_pool: ‹7›}, replicas: «{min: 2, max: 4}»}\n",
    "E234 standstill": SMALLEST + "serving: {update: {surge: «0», unavailable: ‹0›}}\n",
    "E234 by default": SMALLEST + "serving: {engine: vllm, resources: {gpu: 1, gpu_pool: «1»}, update: {unavailable: 0}}\n",
    "E235": SMALLEST + "serving: {resources: {memory: «8Gi», limits: {memory: ‹8G›}}}\n",
    "E235 by default": SMALLEST + "serving: {resources: {limits: {memory: «2Gi»}}}\n",
    "E235 CPU": SMALLEST + "serving: {resources: {cpu: «2», limits: {cpu: ‹1500m›}}}\n",
    "E236": SMALLEST + "serving: {timeout: ‹9s›, grace: «23s»}\nmonitoring: {alerts: {latency_p95: null}}\n",
    "E237": SMALLEST + "rollout: {engine: ‹gateway-api›, sticky: «{header: x-user-id}»}\n",
    "E237 experiment": SMALLEST + "experiment: {sticky: «{header: x-user-id}»}\n",
    "E239": SMALLEST + "serving: {queue: ‹8›, replicas: {max: 4, scale_on: {queue_depth: «8»}}}\n",
    "E239 by default": SMALLEST + "serving: {queue: «8», replicas: {max: 4}}\n",
    "W240": SMALLEST + "serving: {engine: vllm, replicas: 2, resources: {gpu: 1, gpu_pool: «3»}}\nrollout: {steps: ‹[5%, 100%]›}\n",
    "E257": SMALLEST + "monitoring: {alerts: {custom: [{name: A, expr: model_queue_depth > 9, summary: c, fires_on: {«'sum(a)'»: 1x9}}]}}\n",
    "E257 values": SMALLEST + "monitoring: {alerts: {custom: [{name: A, expr: model_queue_depth > 9, summary: c, fires_on: {model_queue_depth: «1 to 9»}}]}}\n",
    "E241": SMALLEST.replace("docs", "«" + "d" * 40 + "»") + "training: {engine: ‹trainjob›}\n",
    "E241 JobSet": SMALLEST.replace("docs", "«" + "d" * 40 + "»") + "training: {engine: ‹jobset›, resources: {nodes: 1001}}\n",
    "E237 in an overlay": SMALLEST + "rollout: {engine: istio, sticky: «{header: x-user-id}»}\nenvironments: {a: {rollout: {engine: ‹gateway-api›}}, b: {}}\n",
    "E236 in an overlay": SMALLEST + "serving: {grace: «1m»}\nenvironments: {a: {serving: {timeout: ‹2m›}}}\n",
    "E250": SMALLEST + "monitoring: {alerts: {custom: [{name: A, summary: c, expr: «sum(model_queue_depth»}]}}\n",
    "E250 function": SMALLEST + "monitoring: {alerts: {custom: [{name: A, summary: c, expr: «'ratee(model_requests_total[5m]) > 1'»}]}}\n",
    "E250 type": SMALLEST + "monitoring: {alerts: {custom: [{name: A, summary: c, expr: «rate(model_requests_total) > 1»}]}}\n",
    "E251": SMALLEST + "monitoring: {alerts: {custom: [{name: A, summary: c, expr: «model_queue_dept > 1»}]}}\n",
    "E251 histogram": SMALLEST + "monitoring: {alerts: {custom: [{name: A, summary: c, expr: «'rate(model_output_tokens[5m]) > 1'»}]}}\n",
    "E251 second line": SMALLEST + "monitoring:\n  alerts:\n    custom:\n      - name: A\n        summary: c\n        expr: «model_queue_dept > 1»\n",
    "E252": SMALLEST + "monitoring: {alerts: {custom: [{name: A, summary: c, expr: «sum by (varient) (model_queue_depth) > 1»}]}}\n",
    "E252 matcher": SMALLEST + "monitoring: {alerts: {custom: [{name: A, summary: c, expr: «'model_queue_depth{varient=\"canary\"} > 1'»}]}}\n",
    "E252 value": SMALLEST + "monitoring: {alerts: {custom: [{name: A, summary: c, expr: «'model_requests_total{status=\"eror\"} > 1'»}]}}\n",
    "E253": SMALLEST + "monitoring: {alerts: {custom: [{name: A, summary: c, expr: «'vllm:num_requests_waiting > 1'»}]}}\n",
    "E253 task": with_data(RAW, "monitoring: {alerts: {custom: [{name: A, summary: c, expr: «model_perplexity > 1»}]}}\n", "{base: a, task: text-classification}"),
    "E253 alert": SMALLEST + "serving: {engine: ‹custom›, address: ENGINE_URL}\nmonitoring: {alerts: {gpu_memory: «{max: 80%, for: 2m}»}}\n",
    "E254": SMALLEST + "monitoring: {alerts: {custom: [{name: ‹A›, summary: c, expr: model_queue_depth > 1}, {name: «A», summary: c, expr: model_queue_depth > 2}]}}\n",
    "E254 ours": SMALLEST + "monitoring: {alerts: {custom: [{name: «GpuTooHot», summary: c, expr: model_queue_depth > 1}]}}\n",
    "W255": SMALLEST + "monitoring: {alerts: {error_rate: «{max: 100%}»}}\n",
    "W255 fall": SMALLEST + "monitoring: {alerts: {traffic_drop: «{max: 50%, for: 10m, compared_to: 12m}»}}\n",
    "W255 accuracy": SMALLEST + "monitoring: {alerts: {accuracy: «{min: 0%}»}}\n",
    "W258": SMALLEST + "monitoring: {alerts: {drift: {max: 0.2, retrain: «true»}}}\n",
    "W258 custom": SMALLEST + "monitoring: {notify: {retrain: {auth: {secret: a, key: b}}}, alerts: {custom: [{name: A, summary: c, expr: model_queue_depth > 1, retrain: «true»}]}}\n",
    "E256": SMALLEST + "monitoring: {slo: {availability: «100%»}}\n",
    "E256 latency": SMALLEST + "monitoring: {slo: {latency: {quantile: «100%»}}}\n",
    "E251 in an overlay": SMALLEST + "environments: {a: {monitoring: {alerts: {custom: [{name: A, summary: c, expr: «model_queue_dept > 1»}]}}}}\n",
    "E201": SMALLEST + "x-a: {b: [1, «ghp_0123456789abcdefghijklmnopqrstuvwxyz»]}\n",
    "E201 address": SMALLEST + "x-a: «'postgres://me:secret@db/x'»\n",
    "E120": with_data(RAW, model=SCRATCH.replace("{architecture", "{‹base›: a, «architecture»") + "}"),
    "E121": SMALLEST + "monitoring: {notify: {routes: {critical: [«email»]}}}\n",
    "W212 in an overlay": SMALLEST + "rollout: {expected_rate: «10», hold: ‹9m›, min_requests: ‹100›}\nenvironments: {a: {rollout: {steps: [1%, 100%]}}}\n",
    "W214 in an overlay": SMALLEST + "monitoring: {alerts: {error_rate: {max: 5%, for: «8m»}, traffic_drop: null}}\nenvironments: {a: {rollout: {hold: ‹7m›}}, b: {}}\n",
    "E220 in an overlay": SMALLEST + "serving: {timeout: 9s}\nenvironments: {a: {monitoring: {slo: {latency: {max: «5s»}}}, serving: {timeout: ‹4s›}}}\n",
    "E215 in an overlay": SMALLEST + "rollout: {engine: istio, sticky: {header: ‹a›}}\nenvironments: {a: {experiment: {sticky: {header: «b»}}}}\n",
    "E102 in an overlay": SMALLEST + "environments: {a: {«experiment»: {traffic: 10%}}}\n",
    "E118 in an overlay": SMALLEST + "environments: {a: {rollout: {gates: {rating: «{}»}}}}\n",
    "E103 an overlay": SMALLEST + "environments: {a: {serving: «5»}}\n",
    "E117 across an overlay": SMALLEST + "serving: {replicas: {min: 5}}\nenvironments: {a: {serving: {replicas: {max: «3»}}}}\n",
}  # fmt: skip


def unmarked(text: str) -> tuple[str, tuple[int, int, int, int], list[tuple[int, int, int, int]]]:
    """The text without marks, the place of the finding, and the other places."""
    found: dict[str, list[tuple[int, int, int, int]]] = {"«": [], "‹": []}
    clean, line, column, began = "", 1, 1, {}
    for c in text:
        if c in "«‹":
            began[c] = (line, column)
        elif c in "»›":
            mark = "«" if c == "»" else "‹"
            found[mark].append((*began[mark], line, column))
        else:
            clean += c
            line, column = (line + 1, 1) if c == "\n" else (line, column + 1)
    (place,) = found["«"]
    return clean, place, found["‹"]


def findings(text: str) -> tuple[Diagnostic, ...]:
    try:
        return resolve(parse(text, "mlops.yaml")).warnings
    except Failed as failed:
        return failed.diagnostics


@pytest.mark.parametrize("name", CASES)
def test_a_check_points_at_all_that_takes_part(name: str) -> None:
    text, place, others = unmarked(CASES[name])
    found = findings(text)
    code = name.split(maxsplit=1)[0]
    (one,) = [d for d in found if d.code == code]
    assert one.span == Span("mlops.yaml", *place)
    assert [span for _, span in one.related] == [Span("mlops.yaml", *other) for other in others]
    assert all(label for label, _ in one.related)
    assert one.help
    # An alert by default may be slower than a short hold as well; nothing else joins in.
    assert {d.code for d in found} <= {code, "W214"}


@pytest.mark.slow
def test_examining_tells_what_resolving_tells() -> None:
    texts = [unmarked(text)[0] for text in CASES.values()] + [FULL.read_text()]
    trees = [parse(text, "mlops.yaml") for text in texts] + [tree(sample.plain) for sample in samples()]
    told = [(_told(resolve, each), _told(examine, each)) for each in trees]
    assert [one for one, other in told if one != other] == []
    assert len({one for one, _ in told}) > 100


def _told(work: Callable[[Node], Any], given: Node) -> tuple[Diagnostic, ...]:
    try:
        done = work(given)
    except Failed as failed:
        return failed.diagnostics
    found: tuple[Diagnostic, ...] = done if work is examine else done.warnings
    return found


def test_every_code_across_sections_is_looked_at() -> None:
    from mlopsgen.diagnostics.catalogue import CODES

    of_files = {"W221", "W222", "E223", "W224", "E225", "E230", "E231"}
    across = {code for code in CODES if re.fullmatch("[EW]2[0-9]{2}", code)} - of_files
    assert across <= {name.split()[0] for name in CASES}


@pytest.mark.parametrize(
    "name", [name for name in CASES if "overlay" not in name and "environments" not in CASES[name]]
)
def test_environments_that_change_nothing_repeat_nothing(name: str) -> None:
    text, _, _ = unmarked(CASES[name])
    alone = findings(text)
    with_environments = findings(text + "environments: {one: {}, two: {}, three: {url: https://a.b}}\n")
    assert with_environments == alone


def test_environments_with_overlays_of_their_own_repeat_nothing() -> None:
    overlays = "environments: {one: {serving: {port: 8001}}, two: {serving: {port: 8002}}}\n"
    for extra in (
        "rollout: {check_every: 20m}\n",
        "training: {epochs: 0}\n",
        "serving: {engine: custom}\n",
        "model: 3\n",
    ):
        text = SMALLEST.replace(f"model: {MODEL}\n", "") if extra.startswith("model") else SMALLEST
        assert len(findings(text + extra + overlays)) == 1


HOSTILE: dict[str, str] = {
    "letters": f"x-a: {'a' * 900_000}\n",
    "tokens that never end": f"x-a: {'eyJ' * 300_000}\n",
    "schemes": f"x-a: '{'a://' * 200_000}'\n",
    "users": f"x-a: '{'://a:' * 180_000}'\n",
    "keys of certificates": f"x-a: '{'-----BEGIN ' * 80_000}'\n",
    "unknown keys": "".join(f"trainin{n}: 1\n" for n in range(20_000)),
    "unknown parameters": f"training: {{search: {{parameters: {{{', '.join(f'epoch{n}: {{choice: [1]}}' for n in range(8_000))}}}}}}}\n",
    "many choices": f"training: {{search: {{parameters: {{seed: {{choice: [{', '.join(map(str, range(20_000)))}]}}}}}}}}\n",
    "wrong choices": f"training: {{search: {{parameters: {{epochs: {{choice: [{', '.join(['0'] * 8_000)}]}}}}}}}}\n",
    "environments": f"environments: {{{', '.join(f'e{n}: {{}}' for n in range(10_000))}}}\n",
    "a long path": f"templates: {'a/' * 400_000}b\n",
    "a long cron line": f"ci: {{schedule: '{'1,' * 400_000} * * * *'}}\n",
    "a long duration": f"rollout: {{hold: {'1m' * 400_000}x}}\n",
    "a long share": f"experiment: {{{STICKY}, traffic: '{'1' * 900_000}%'}}\n",
    "a long word": f"training: {{precision: {'b' * 900_000}}}\n",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(30)
def test_no_text_takes_long(name: str) -> None:
    """Each of these took minutes, or would with one careless pattern or loop; now it is seconds."""
    from mlopsgen.diagnostics import report

    text = SMALLEST + HOSTILE[name]
    told: Any = report.text(findings(text), {"mlops.yaml": text})
    assert len(told) < 12_000_000
