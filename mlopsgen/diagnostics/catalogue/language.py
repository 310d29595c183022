"""1xx: the shape of sections and values."""

from mlopsgen.diagnostics.catalogue.code import SMALLEST, Code

CODES = (
    Code("E101", "unknown field", "A misspelt field would otherwise be ignored in silence.", "Correct it; your own data goes under a top-level `x-` key.", SMALLEST + "training:\n  learning_rat: 2e-5\n", (6, 3)),
    Code("E102", "missing field", "The section cannot be understood without it.", "Add it.", "version: 1\nproject: {owner: me}\ndata: {raw: data/raw}\nmodel: {base: acme/tiny}\n", (2, 1)),
    Code("E103", "wrong type", "Values keep their YAML type: text is not turned into numbers, nor numbers into text.", "Write the type that is expected; quotes make text.", SMALLEST + "ci: {python: 3.11}\n", (5, 14)),
    Code("E104", "not acceptable", "The value cannot be used here.", "See the example of the field with `mlopsgen explain`.", SMALLEST + "training: {seed: 1" + "0" * 401 + "}\n", (5, 18)),
    Code("E105", "not one of the values", "The field has a closed set of values.", "Choose one of them.", SMALLEST + "training: {precision: bf17}\n", (5, 23)),
    Code("E106", "out of range", "The value is too small or too large to make sense.", "Choose one within the range.", SMALLEST + "training: {epochs: 0}\n", (5, 20)),
    Code("E107", "not a duration", "Durations carry their unit, so that nobody has to guess it.", "Write `500ms`, `30s`, `10m`, `1h30m`, `7d`.", SMALLEST + "rollout: {hold: 10 min}\n", (5, 17)),
    Code("E108", "not a share", "Shares are between 0 and 1, or carry `%`.", "Write `5%` or `0.05`.", SMALLEST + "experiment: {sticky: {header: x-user-id}, traffic: 10}\n", (5, 52)),
    Code("E109", "not a quantity", "Machine sizes are Kubernetes quantities.", "Write `64Gi`, `512Mi`, `4`, `500m`.", SMALLEST + "serving: {resources: {memory: 16GB}}\n", (5, 31)),
    Code("E110", "not a name", "Kubernetes, Prometheus, MLflow, DVC or GitHub would reject it.", "See the rule in the message.", "version: 1\nproject: {name: My_Project}\ndata: {raw: data/raw}\nmodel: {base: acme/tiny}\n", (2, 17)),
    Code("E111", "not a path in the project", "Paths are relative to the folder of mlops.yaml, use `/`, and stay inside.", "Give such a path.", "version: 1\nproject: {name: docs}\ndata: {raw: ../raw}\nmodel: {base: acme/tiny}\n", (3, 13)),
    Code("E112", "not a cron line", "Five fields: minute, hour, day of month, month, day of week; in UTC.", 'Write it like `"0 3 * * 0"`.', SMALLEST + "ci: {schedule: weekly}\n", (5, 16)),
    Code("E113", "not an address", "The address cannot be used as it is.", "See the rule in the message.", SMALLEST + "tracking: {mlflow: {uri: mlflow.acme.dev}}\n", (5, 26)),
    Code("E114", "not an image repository", "Tag and digest are facts of a release, so only the repository stands here.", "Write `registry/owner/name`.", SMALLEST + "serving: {image: 'ghcr.io/acme/docs:latest'}\n", (5, 18)),
    Code("E115", "not a header", "HTTP header names are letters, digits and `-`.", "Correct it.", SMALLEST + "rollout: {sticky: {header: 'x user'}}\n", (5, 28)),
    Code("E116", "wrong form", "The value does not have the form that the field asks for.", "See the example of the field with `mlopsgen explain`.", SMALLEST + "serving: {cost: {gpu_hour: 2.5, currency: dollars}}\n", (5, 43)),
    Code("E117", "min above max", "No value lies within such a range.", "Exchange them.", SMALLEST + "evaluation: {gates: {val_loss: {min: 3.0, max: 2.0}}}\n", (5, 32)),
    Code("E118", "empty range", "A range has a `min`, a `max`, or both.", "Give one.", SMALLEST + "evaluation: {gates: {val_loss: {}}}\n", (5, 32)),
    Code("E119", "not one distribution", "A parameter is drawn from exactly one of uniform, log_uniform, int_uniform and choice.", "Keep one.", SMALLEST + "training: {search: {parameters: {seed: {}}}}\n", (5, 40)),
    Code("E120", "not one model", "A model is pre-trained (`base`) or trained from scratch (`architecture`).", "Give one of the two.", "version: 1\nproject: {name: docs}\ndata: {raw: data/raw}\nmodel: {task: causal-lm}\n", (4, 8)),
    Code("E121", "route to nobody", "The receiver of a route is not set up under `notify`.", "Set it up, or drop it from the route.", SMALLEST + "monitoring: {notify: {routes: {critical: [pagerduty]}}}\n", (5, 43)),
    Code("E122", "incomplete operation", "RFC 6902: add, replace and test need `value`, move and copy need `from`.", "Add it.", SMALLEST + "patches: [{file: dvc.yaml, ops: [{op: add, path: /x}]}]\n", (5, 39)),
)
