"""Grafana's classic dashboard schema as far as we write it: unknown fields and wrong types are mistakes."""

# ruff: noqa: N815

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[int, Field(gt=0, lt=2**31)]
Color = Annotated[str, Field(min_length=3)]
Placement = Literal["auto", "top", "left", "right", "bottom", "hidden"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Source(Strict):
    type: Literal["prometheus", "grafana"]
    uid: Literal["${datasource}", "-- Grafana --"]


class Place(Strict):
    x: Annotated[int, Field(ge=0, lt=24)]
    y: Annotated[int, Field(ge=0)]
    w: Annotated[int, Field(ge=1, le=24)]
    h: Annotated[int, Field(ge=1)]


class Target(Strict):
    refId: Annotated[str, Field(pattern="^[A-Z]$")]
    datasource: Source
    editorMode: Literal["code", "builder"]
    expr: Annotated[str, Field(min_length=1)]
    legendFormat: str
    format: Literal["time_series", "table", "heatmap"]
    instant: bool
    range: bool


class Step(Strict):
    color: Color
    value: float | int | None


class Thresholds(Strict):
    mode: Literal["absolute", "percentage"]
    steps: Annotated[list[Step], Field(min_length=1)]


class Word(Strict):
    text: str
    color: Color
    index: int


class Mapping(Strict):
    type: Literal["value"]
    options: dict[str, Word]


class Stacking(Strict):
    mode: Literal["none", "normal", "percent"]
    group: str


class Style(Strict):
    mode: Literal["off", "line", "dashed", "area", "line+area"]


class Lines(Strict):
    drawStyle: Literal["line", "bars", "points"]
    lineInterpolation: Literal["linear", "smooth", "stepBefore", "stepAfter"]
    lineWidth: int
    fillOpacity: int
    showPoints: Literal["auto", "never", "always"]
    spanNulls: bool
    stacking: Stacking
    thresholdsStyle: Style


class Bars(Strict):
    lineWidth: int
    fillOpacity: int


class Nothing(Strict):
    pass


class Mode(Strict):
    mode: Literal["thresholds", "palette-classic", "fixed"]
    fixedColor: str | None = None


class Property(Strict):
    id: str
    value: Mode


class Matcher(Strict):
    id: Literal["byName", "byRegexp", "byFrameRefID"]
    options: str


class Override(Strict):
    matcher: Matcher
    properties: list[Property]


class Defaults(Strict):
    unit: str
    min: float | int | None = None
    max: float | int | None = None
    color: Mode
    thresholds: Thresholds
    mappings: list[Mapping]


class Legend(Strict):
    displayMode: Literal["list", "table"]
    placement: Literal["bottom", "right"]
    showLegend: bool
    calcs: list[str] = []


class Tooltip(Strict):
    mode: Literal["single", "multi", "none"]
    sort: Literal["none", "asc", "desc"]


class Reduce(Strict):
    calcs: list[str]
    fields: str
    values: bool


class TimeseriesOptions(Strict):
    legend: Legend
    tooltip: Tooltip


class StatOptions(Strict):
    graphMode: Literal["none", "area", "line"]
    colorMode: Literal["none", "value", "background"]
    justifyMode: Literal["auto", "center"]
    textMode: Literal["auto", "value", "value_and_name", "name", "none"]
    orientation: Literal["auto", "horizontal", "vertical"]
    reduceOptions: Reduce


class GaugeOptions(Strict):
    orientation: Literal["auto", "horizontal", "vertical"]
    showThresholdLabels: bool
    showThresholdMarkers: bool
    reduceOptions: Reduce


class BargaugeOptions(Strict):
    displayMode: Literal["basic", "lcd", "gradient"]
    valueMode: Literal["color", "text", "hidden"]
    orientation: Literal["auto", "horizontal", "vertical"]
    showUnfilled: bool
    minVizWidth: int
    minVizHeight: int
    reduceOptions: Reduce


class Scheme(Strict):
    mode: Literal["scheme", "opacity"]
    scheme: str
    fill: str
    scale: Literal["linear", "exponential"]
    exponent: float
    steps: int
    reverse: bool


class Least(Strict):
    le: float


class RowsFrame(Strict):
    layout: Literal["le", "ge", "unknown", "auto"]


class Shown(Strict):
    show: bool


class HeatmapTooltip(Shown):
    yHistogram: bool


class Exemplars(Strict):
    color: Color


class Axis(Strict):
    axisPlacement: Placement
    reverse: bool
    unit: str


class HeatmapOptions(Strict):
    calculate: bool
    cellGap: int
    color: Scheme
    filterValues: Least
    rowsFrame: RowsFrame
    showValue: Literal["auto", "never", "always"]
    legend: Shown
    tooltip: HeatmapTooltip
    exemplars: Exemplars
    yAxis: Axis


class TableOptions(Strict):
    showHeader: bool
    cellHeight: Literal["sm", "md", "lg"]


class TimelineOptions(Strict):
    mergeValues: bool
    showValue: Literal["auto", "never", "always"]
    alignValue: Literal["left", "center", "right"]
    rowHeight: float
    legend: Legend
    tooltip: Tooltip


class PanelLink(Strict):
    title: str
    url: Annotated[str, Field(pattern="^https?://")]
    targetBlank: bool


class Organize(Strict):
    excludeByName: dict[str, bool]
    renameByName: dict[str, str]


class Transformation(Strict):
    id: Literal["organize"]
    options: Organize


class Row(Strict):
    id: Id
    type: Literal["row"]
    title: Annotated[str, Field(min_length=1)]
    collapsed: bool
    gridPos: Place
    panels: list[Any]


class Base(Strict):
    id: Id
    title: Annotated[str, Field(min_length=1)]
    description: Annotated[str, Field(min_length=20)]
    datasource: Source
    gridPos: Place
    targets: Annotated[list[Target], Field(min_length=1)]
    links: list[PanelLink] = []


def _config(custom: type[Strict]) -> type[Strict]:
    class Fields(Defaults):
        custom: custom  # type: ignore[valid-type]

    class Config(Strict):
        defaults: Fields
        overrides: list[Override]

    return Config


class Timeseries(Base):
    type: Literal["timeseries"]
    fieldConfig: _config(Lines)  # type: ignore[valid-type]
    options: TimeseriesOptions


class Stat(Base):
    type: Literal["stat"]
    fieldConfig: _config(Nothing)  # type: ignore[valid-type]
    options: StatOptions


class Gauge(Base):
    type: Literal["gauge"]
    fieldConfig: _config(Nothing)  # type: ignore[valid-type]
    options: GaugeOptions


class Bargauge(Base):
    type: Literal["bargauge"]
    fieldConfig: _config(Nothing)  # type: ignore[valid-type]
    options: BargaugeOptions


class Heatmap(Base):
    type: Literal["heatmap"]
    fieldConfig: _config(Nothing)  # type: ignore[valid-type]
    options: HeatmapOptions


class Table(Base):
    type: Literal["table"]
    fieldConfig: _config(Nothing)  # type: ignore[valid-type]
    options: TableOptions
    transformations: list[Transformation]


class Timeline(Base):
    type: Literal["state-timeline"]
    fieldConfig: _config(Bars)  # type: ignore[valid-type]
    options: TimelineOptions


Panel = Annotated[Row | Timeseries | Stat | Gauge | Bargauge | Heatmap | Table | Timeline, Field(discriminator="type")]


class Variable(Strict):
    name: Annotated[str, Field(pattern="^[a-z]+$")]
    label: str
    hide: Literal[0, 1, 2]
    multi: bool
    includeAll: bool
    options: list[Any]
    skipUrlSync: bool


class DatasourceVariable(Variable):
    type: Literal["datasource"]
    query: Literal["prometheus"]
    regex: str
    refresh: Literal[1, 2]


class Asked(Strict):
    query: Annotated[str, Field(pattern=r"^label_values\(.+, [a-z_]+\)$")]
    refId: str


class Current(Strict):
    selected: bool
    text: str | list[str]
    value: str | list[str]


class QueryVariable(Variable):
    type: Literal["query"]
    datasource: Source
    definition: str
    query: Asked
    refresh: Literal[1, 2]
    sort: Literal[0, 1, 2]
    regex: str
    current: Current


class CustomVariable(Variable):
    type: Literal["custom"]
    query: str
    current: Current


class Templating(Strict):
    list: list[Annotated[DatasourceVariable | QueryVariable | CustomVariable, Field(discriminator="type")]]


class Builtin(Strict):
    name: str
    builtIn: Literal[1]
    datasource: Source
    enable: bool
    hide: bool
    iconColor: Color
    type: Literal["dashboard"]


class Event(Strict):
    name: str
    datasource: Source
    enable: bool
    hide: bool
    iconColor: Color
    expr: str
    step: str
    titleFormat: str
    tagKeys: str
    useValueForTime: bool


class Annotations(Strict):
    list: list[Builtin | Event]


class Link(Strict):
    title: str
    type: Literal["link", "dashboards"]
    tags: list[str]
    url: str
    icon: str
    tooltip: str
    asDropdown: bool
    targetBlank: bool
    includeVars: bool
    keepTime: bool


class Range(Strict):
    from_: Annotated[Literal["now-6h"], Field(alias="from")]
    to: Literal["now"]


class Dashboard(Strict):
    """A dashboard. `__inputs`, `id` and `version` are no part of a provisioned one."""

    uid: Annotated[str, Field(pattern="^[a-zA-Z0-9-]{1,40}$")]
    title: Annotated[str, Field(min_length=1)]
    description: str
    tags: list[str]
    schemaVersion: Annotated[int, Field(ge=36, le=38)]
    editable: bool
    graphTooltip: Literal[0, 1, 2]
    time: Range
    timepicker: Nothing
    timezone: Literal["browser", "utc", ""]
    refresh: Literal["30s"]
    links: list[Link]
    templating: Templating
    annotations: Annotations
    panels: Annotated[list[Panel], Field(min_length=2)]
