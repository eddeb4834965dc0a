"""Every kind of defect, one file per family of proofs."""

from tests.ivr.flow.defects.making import KINDS as KINDS
from tests.ivr.flow.defects.making import Defect as Defect
from tests.ivr.flow.defects.making import defects as defects
from tests.ivr.flow.defects.mutations import (
    elsewhere as elsewhere,
)
from tests.ivr.flow.defects.mutations import (
    file as file,
)
from tests.ivr.flow.defects.mutations import (
    limits as limits,
)
from tests.ivr.flow.defects.mutations import (
    names as names,
)
from tests.ivr.flow.defects.mutations import (
    options as options,
)
from tests.ivr.flow.defects.mutations import (
    prompts as prompts,
)
from tests.ivr.flow.defects.mutations import (
    secrets as secrets,
)
from tests.ivr.flow.defects.mutations import (
    ways as ways,
)
