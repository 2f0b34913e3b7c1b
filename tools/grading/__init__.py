"""Grade what students hand in: their code runs in a sandbox, the verdict is made outside of it.

`make grade` leads here. A submission passes through `intake` (files become submissions), `examine` (points, cell by
cell) and `records` (nbgrader's gradebook, feedback, a table for the LMS). In `examine` there are two processes. The
*worker* runs the student's cells inside a `sandbox`, and calls their functions when asked. The *examiner* holds the
tests, hidden ones too, and the right answers; it asks through `remote`, and reads the replies through `wire`, which
knows numbers and tensors and nothing that could run.
"""
