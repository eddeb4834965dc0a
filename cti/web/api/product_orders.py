"""TMF622 product-order notifications: for shops that have a TM Forum system behind them."""

from __future__ import annotations

from cti.web.api.operation import Answer, NoQuery, Operation, Request
from cti.web.api.shapes import Decided
from cti.web.api.taking import take
from cti.web.api.tmf622 import Notification, translated

TAG = "product orders"


async def post_notification(request: Request[Notification, NoQuery]) -> Answer:
    told = translated(request.body)
    if told is None:
        state = request.body.event.order.state
        nothing = Decided(
            event=f"tmf622:{request.body.id}", order=request.body.event.order.id, decision="none",
            at=None, why=f"the state {state} leads to nothing", verdicts=(),
        )  # fmt: skip
        return Answer(nothing, 202)
    return Answer(await take(request.api, told), 202)


OPERATIONS = (
    Operation(
        "POST", "/product-orders", "postProductOrder", "A TMF622 notification", post_notification,
        "orders:write", {202: Decided}, body=Notification, tag=TAG,
        key_of=lambda given: given.id, problems=("key-reused",),
        words={202: "Taken; with what was decided, and every reason."},
        about="`ProductOrderCreateEvent` and `ProductOrderStateChangeEvent` of TMF622, versions 4 "
        "and 5. The customer's number is read from the `contactMedium` of the related party whose "
        "role is customer.",
    ),
)  # fmt: skip
