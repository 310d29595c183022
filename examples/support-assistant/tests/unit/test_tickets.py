from support_assistant.tickets import prompt


def test_subject_and_body_are_one_prompt() -> None:
    assert prompt(" No login ", "I cannot log in.\n") == "No login\n\nI cannot log in."


def test_a_ticket_without_a_body() -> None:
    assert prompt("No login", " ") == "No login"
