"""Models by name: those on this machine, and fetching more of them; the network is touched by ``pull`` alone."""
