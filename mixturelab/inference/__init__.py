"""How a mixture is learned: assigners, statistics folded over data, EM and its one loop."""
