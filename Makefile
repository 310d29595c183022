# For the habit: ./dev does the work and needs no make.
.PHONY: demo test lint docs bench setup
demo test lint docs bench setup:
	@./dev $@
