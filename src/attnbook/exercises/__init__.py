"""What a learner's answer to an exercise gets: not the solution, but the name of the mistake.

Each task of the assignments has a function here. It takes the learner's own function, tries it on inputs that change
with the seed, and compares what comes out with the right answer and with a table of the mistakes that learners make.
It prints that the answer is right, or raises `WrongAnswer`.
"""

from attnbook.exercises._task import WrongAnswer
from attnbook.exercises.additive import check_additive_in_blocks, check_additive_score, check_predicted
from attnbook.exercises.alignments import check_forward_share
from attnbook.exercises.best_keys import check_top_look_up
from attnbook.exercises.blocks import check_block
from attnbook.exercises.caches import check_cache_bytes, check_cache_mask, check_open_pairs
from attnbook.exercises.coins import check_divisor, check_score_variance
from attnbook.exercises.ctc_paths import check_ctc
from attnbook.exercises.edges import check_attend_edges
from attnbook.exercises.fetched import check_fetched, check_fetched_lengths
from attnbook.exercises.frames import check_ctc_ways, check_cut, check_mel_middle, check_state_time
from attnbook.exercises.gradients import check_look_back, check_score_gradient
from attnbook.exercises.graph_heads import check_gatv2
from attnbook.exercises.growth import check_exponent
from attnbook.exercises.head_groups import check_grouped_attention
from attnbook.exercises.heads import check_grouped_parameters, check_multi_head
from attnbook.exercises.heads_in_one_output import check_merge_heads, check_without_each_head
from attnbook.exercises.layer_costs import check_crossing, check_layer_operations
from attnbook.exercises.layers_by_hand import check_decoder_parameters, check_post_norm, check_pre_norm
from attnbook.exercises.longest_texts import check_longest, check_tokens
from attnbook.exercises.look_distances import check_look_distance
from attnbook.exercises.look_shares import check_look_share
from attnbook.exercises.look_ups import check_comes_back, check_open_look_up, check_shapes
from attnbook.exercises.neighbours import check_convolved, check_edge_weights, check_gat_weights, check_homophily
from attnbook.exercises.next_tokens import check_cut_examples
from attnbook.exercises.nucleus import check_nucleus
from attnbook.exercises.online_softmax import check_in_blocks
from attnbook.exercises.packs import check_packed_mask, check_stream_mask
from attnbook.exercises.padded_sentences import check_reverse_words
from attnbook.exercises.patch_weights import check_mend
from attnbook.exercises.patches_by_hand import check_front_parameters, check_pixel_place, check_vit_shapes
from attnbook.exercises.probes import check_probe_accuracy
from attnbook.exercises.rank_agreement import check_spearman
from attnbook.exercises.rankings import check_agreement
from attnbook.exercises.readers import check_first_share, check_last_state, check_place_weights, check_read
from attnbook.exercises.rollouts import check_followed, check_rolled_out
from attnbook.exercises.running_sums import check_read_on
from attnbook.exercises.same_outputs import check_slide
from attnbook.exercises.saturation import check_gradients, check_query_gradient, check_temperature_for
from attnbook.exercises.scales import check_even_attention, check_unit_scores
from attnbook.exercises.score_functions import (
    check_multiplicative,
    check_multiplicative_score,
    check_scaled,
    check_scaled_dot_score,
)
from attnbook.exercises.self_attention import check_direction, check_left_out
from attnbook.exercises.state_masks import check_state_mask
from attnbook.exercises.streams import check_read_early, check_written_by
from attnbook.exercises.stretched_positions import check_stretch
from attnbook.exercises.token_losses import check_token_loss
from attnbook.exercises.turned_pairs import check_rotate
from attnbook.exercises.two_heads import check_two_heads
from attnbook.exercises.two_looks import (
    check_look_at_patches,
    check_moved_place,
    check_packed_scores,
    check_second_look,
)
from attnbook.exercises.weights import check_context, check_looked_at, check_masked_softmax, check_weights
from attnbook.exercises.window_counts import check_window_layers, check_window_pairs
from attnbook.exercises.windows import check_window_attention
from attnbook.exercises.writing_speed import check_tokens_a_second

__all__ = [
    "WrongAnswer",
    "check_additive_in_blocks",
    "check_additive_score",
    "check_agreement",
    "check_attend_edges",
    "check_block",
    "check_cache_bytes",
    "check_cache_mask",
    "check_comes_back",
    "check_context",
    "check_convolved",
    "check_crossing",
    "check_ctc",
    "check_ctc_ways",
    "check_cut",
    "check_cut_examples",
    "check_decoder_parameters",
    "check_direction",
    "check_divisor",
    "check_edge_weights",
    "check_even_attention",
    "check_exponent",
    "check_fetched",
    "check_fetched_lengths",
    "check_first_share",
    "check_followed",
    "check_forward_share",
    "check_front_parameters",
    "check_gat_weights",
    "check_gatv2",
    "check_gradients",
    "check_grouped_attention",
    "check_grouped_parameters",
    "check_homophily",
    "check_in_blocks",
    "check_last_state",
    "check_layer_operations",
    "check_left_out",
    "check_longest",
    "check_look_at_patches",
    "check_look_back",
    "check_look_distance",
    "check_look_share",
    "check_looked_at",
    "check_masked_softmax",
    "check_mel_middle",
    "check_mend",
    "check_merge_heads",
    "check_moved_place",
    "check_multi_head",
    "check_multiplicative",
    "check_multiplicative_score",
    "check_nucleus",
    "check_open_look_up",
    "check_open_pairs",
    "check_packed_mask",
    "check_packed_scores",
    "check_pixel_place",
    "check_place_weights",
    "check_post_norm",
    "check_pre_norm",
    "check_predicted",
    "check_probe_accuracy",
    "check_query_gradient",
    "check_read",
    "check_read_early",
    "check_read_on",
    "check_reverse_words",
    "check_rolled_out",
    "check_rotate",
    "check_scaled",
    "check_scaled_dot_score",
    "check_score_gradient",
    "check_score_variance",
    "check_second_look",
    "check_shapes",
    "check_slide",
    "check_spearman",
    "check_state_mask",
    "check_state_time",
    "check_stream_mask",
    "check_stretch",
    "check_temperature_for",
    "check_token_loss",
    "check_tokens",
    "check_tokens_a_second",
    "check_top_look_up",
    "check_two_heads",
    "check_unit_scores",
    "check_vit_shapes",
    "check_weights",
    "check_window_attention",
    "check_window_layers",
    "check_window_pairs",
    "check_without_each_head",
    "check_written_by",
]
