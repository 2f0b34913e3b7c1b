"""What did the output depend on? Six answers for each token, from the weights alone to a change of the input.

| answer               | asks                                                  | passes of the model      |
|----------------------|-------------------------------------------------------|--------------------------|
| weights              | where does one attention look?                        | none beyond the first    |
| weights × norms      | how long is what it fetches there?                    | none beyond the first    |
| rollout              | where do all layers look, one after the other?        | none beyond the first    |
| gradient × input     | how steep is the output there?                        | 1 forward, 1 backward    |
| integrated gradients | how steep is it on the way from nothing to the input? | `steps` of both          |
| leave one out        | how much does the output change without the token?    | n + 1 forward            |

The first three look inside the model, the others at its output. Only the last changes something and looks.
"""

from attnbook.attribution.comparing import kendall, other_weights, total_variation
from attnbook.attribution.influence import (
    choices,
    gradient_times_input,
    integrated_gradients,
    knock_outs,
    leave_one_out,
)
from attnbook.attribution.inside import Inside, look_inside, rollout, weighted_norms

__all__ = [
    "Inside",
    "choices",
    "gradient_times_input",
    "integrated_gradients",
    "kendall",
    "knock_outs",
    "leave_one_out",
    "look_inside",
    "other_weights",
    "rollout",
    "total_variation",
    "weighted_norms",
]
