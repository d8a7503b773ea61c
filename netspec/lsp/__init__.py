"""The language server: what an editor asks of the spec that is being written, answered by the linter's engine.

`documents` holds the texts and what is known of them; `hints`, `hover`, `completion`, `names`, `outline` and `actions`
answer from that, in the places of the diagnostics and without a word of the protocol; `server` speaks it.
"""
