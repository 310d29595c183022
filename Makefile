# For the habit: ./dev does the work and needs no make.
.PHONY: demo demo-broken test lint docs bench setup
demo demo-broken test lint docs bench setup:
	@./dev $@
