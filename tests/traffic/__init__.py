"""Traffic for tests of real proxies: programs, upstreams that say who they are, clients, shares of users."""
