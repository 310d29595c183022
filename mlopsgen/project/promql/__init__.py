"""PromQL that people write: read strictly, held against the contract, narrowed to one environment."""
