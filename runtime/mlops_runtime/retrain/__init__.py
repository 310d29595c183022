"""Alerts start trainings: the webhook, the budget, the record, and what is started."""
