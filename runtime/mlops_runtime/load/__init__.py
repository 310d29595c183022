"""The load generator: what a served model does under load, measured so that the numbers can be trusted.

- **Closed loop** (`--clients N`): N callers, each of which sends its next request when the last one is answered. A slow
  server is asked less, so that its latency looks better than what callers who do not wait would see. It answers "how
  much can the server do".
- **Open loop** (`--rate R`): requests come at random times, R a second on average (a Poisson process), whatever the
  server does. It answers "how long do callers wait at this traffic". Each latency counts from the time at which the
  request was *meant* to be sent, so that a stall is charged to every request that it delayed (no coordinated omission,
  as Tene named it), those included that the generator itself was late with.

Requests, lengths and arrivals follow from the seed, so that two servers are asked the same. Latencies are those of
answered requests; refused and failed ones are counted by status. `lag` says how late the generator was: where its p99
is not small beside the latencies, the generator is what was measured, and more processes or machines are needed.
"""
