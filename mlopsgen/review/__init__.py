"""What a change does: two compiled outputs compared object by object and field by field, and what follows from it.

`documents` reads outputs, `compare` finds what differs, `blocks` gathers what changes alike; `effects` says what a
difference does to what runs, `leaves` and `account` which field of the spec it comes from. Nothing here compiles or
writes anything.
"""
