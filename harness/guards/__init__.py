"""Guard rails for clusters that are not ours: who may be broken, where, and how much of it at once.

For a platform that goes into somebody's cluster, in this order, before anything is written there:

1. ``gate.admit(place, asked)``: from names and the allow-list alone, without a connection;
2. ``gate.demand(missing, …)``: every right that ``rights`` derives from the plan is there;
3. ``seen.read(api, …)``: the one reader; it only lists and gets, and never a secret;
4. ``gate.clear(admission, seen, plan)``: labels, shares and quorums of the whole plan;
5. ``Clearance.check``, given to the ``Injector``: the same limits at the instant of each injection.

Everything but the reader is pure. On the clusters that the harness makes itself none of this applies.
"""
