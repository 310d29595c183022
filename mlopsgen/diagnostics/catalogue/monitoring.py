"""25x: what is watched, and who hears of it."""

from mlopsgen.diagnostics.catalogue.code import SMALLEST, Code

CODES = (
    Code(
        "E250",
        "custom alert that is no PromQL",
        "Prometheus would refuse the whole file of rules.",
        "Correct the expression; the message counts characters from 1.",
        SMALLEST + "monitoring: {alerts: {custom: [{name: Queue, expr: model_queue_depth >, summary: Queue}]}}\n",
        (5, 52),
    ),
    Code(
        "E251",
        "metric that nobody exports",
        "An alert on it never fires, and looks as if all were well.",
        "Name a metric of `docs/metrics.md`, or list one of another exporter under `monitoring.metrics`.",
        SMALLEST + "monitoring: {alerts: {custom: [{name: Queue, expr: model_queue_dept > 9, summary: Queue}]}}\n",
        (5, 52),
    ),
    Code(
        "E252",
        "label that a metric does not have",
        "A matcher or grouping by it selects nothing, and the alert never fires.",
        "Name a label, and one of its values, that the metric has.",
        SMALLEST
        + """monitoring: {alerts: {custom: [{name: Q, expr: 'model_queue_depth{varient="canary"} > 9', summary: Q}]}}\n""",
        (5, 48),
    ),
    Code(
        "E253",
        "metric that is not exported here",
        "The engine, the task or the machine of this project has no such metric.",
        "Use a metric that it has, or switch the alert off with `null`.",
        SMALLEST
        + "monitoring: {alerts: {custom: [{name: Q, expr: 'vllm:num_requests_waiting > 9', summary: Waiting}]}}\n",
        (5, 48),
    ),
    Code(
        "E254",
        "alert of a taken name",
        "Two alerts of one name cannot be told apart, nor can their runbooks.",
        "Choose another name.",
        SMALLEST
        + "monitoring: {alerts: {custom: [{name: ModelServerDown, expr: model_queue_depth > 9, summary: Queue}]}}\n",
        (5, 39),
    ),
    Code(
        "W255",
        "alert that never fires",
        "Nothing can be beyond its limit for as long as its `for`; the rule is left out.",
        "Choose a limit that can be passed, or write `null`.",
        SMALLEST + "monitoring: {alerts: {error_rate: {max: 100%}}}\n",
        (5, 35),
    ),
    Code(
        "E256",
        "objective without a budget",
        "Alerts on an objective tell how fast the allowed failures are used up; 100% allows none.",
        "Choose less than 100%.",
        SMALLEST + "monitoring: {slo: {availability: 100%}}\n",
        (5, 34),
    ),
    Code(
        "E257",
        "series that no test can make",
        "`fires_on` becomes the input of a test for promtool, which would refuse it.",
        "Write a series with its labels, and values such as `0+10x30`.",
        SMALLEST
        + "monitoring: {alerts: {custom: [{name: Q, expr: model_queue_depth > 9, summary: Q, fires_on: {'a b': 1x9}}]}}\n",
        (5, 94),
    ),
    Code(
        "W258",
        "alert that cannot start a training",
        "The quality exporter takes no call without a token, and starts the workflow of the repository that is named.",
        "Set `monitoring.notify.retrain.auth` and `project.repository`, or name a receiver of your own with `url`.",
        SMALLEST + "monitoring: {alerts: {drift: {max: 0.2, retrain: true}}}\n",
        (5, 50),
    ),
)
