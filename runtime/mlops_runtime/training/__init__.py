"""Training: an own loop on torch, transformers' networks and peft's adapters.

transformers' Trainer and TRL are not used, because what must hold here runs through the middle of their loop:

- the order of the records is a pure function of the seed (`plan`), so that a run resumed in the middle of an epoch, or
  on another number of processes, sees what it would have seen;
- the loss of a step is divided by the step's target tokens over all micro-batches and ranks, which every rank knows
  beforehand, so that accumulation and several processes change nothing but rounding;
- records lie end to end without padding, and attention stays inside of each (`attention`), packed or not; logits are
  computed for target tokens only and never held whole (`loss`);
- a checkpoint is complete, with checksums, or it is not there (`checkpoints`), and holds all that a run depends on.

Several processes share the model by FSDP2 (`ranks`), on GPUs and on CPUs alike, so that the tests on CPUs run the code
that the GPUs run.
"""
