"""Pictures of the page, as SVG that its stylesheet colours."""
