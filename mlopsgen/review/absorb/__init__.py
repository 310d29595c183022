"""What a person, or a bot, changed in generated files, as changes of the spec.

`hunks` says which lines differ, `inverse` which values of a field would say what they say now, `candidates` which
fields to try, `search` tries them, `operations` writes what no field can say as a patch. Nothing here reads or writes
a file: what compiles a spec is handed in.
"""
