"""What runs in sandboxes that hold a reference solution and never a submission.

These files are read as text and sent into such a sandbox as modules beside the reference; nothing of ours imports them
but as types. They import the standard library and each other, by the names that `services.executor.insiders` gives.
"""
