"""Entry point: `python /codearena/harness` is a supervisor, with `zygote` a zygote.

`greeted` is a supervisor that waits to be greeted, `greeted for-ever` one with no end of patience.
"""

import os
import sys

sys.path[0] = os.path.dirname(sys.path[0])

if sys.argv[1:2] == ["zygote"]:
    from harness.zygote import main

    main()
else:
    from harness.supervisor import main

    main(greeted=sys.argv[1:2] == ["greeted"], patient=sys.argv[2:3] == ["for-ever"])
os._exit(0)  # an interpreter that tidies up takes longer than the work
