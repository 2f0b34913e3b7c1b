"""Attention for long sequences: one method a module, all `(q, k, v, ...) -> output`.

| module         | method                                       | exact              | time                      |
|----------------|----------------------------------------------|--------------------|---------------------------|
| `chunked`      | each chunk of the sequence by itself         | within its pattern | O(n · chunk · d)          |
| `local`        | a sliding window, with global tokens         | within its pattern | O(n · window · d)         |
| `block_sparse` | blocks: window, global and random            | within its pattern | O(n · blocks · block · d) |
| `linear`       | another similarity than the softmax's        | is no softmax      | O(n · d²)                 |
| `performer`    | the softmax's similarity by random features  | on average         | O(n · m · d)              |
| `blockwise`    | plain attention without storing its weights  | yes                | O(n² · d)                 |
| `distributed`  | plain attention over several processes       | yes                | O(n² · d / processes)     |
"""
