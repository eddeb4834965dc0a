"""Finds, unpacks, configures, starts and stops an Asterisk for a local run.

```python
installation = await find_asterisk(Path(".santral"), print)
async with Asterisk(installation, InstanceSettings.fresh(directory)) as asterisk:
    ...
```
"""

from cti.asterisk.install import Espeak, Installation, Progress, find_asterisk, find_espeak
from cti.asterisk.instance import write_instance
from cti.asterisk.ports import free_port_range, free_ports
from cti.asterisk.process import Asterisk
from cti.asterisk.settings import Account, InstanceSettings, Outside, Queue, Trunk

__all__ = [
    "Account",
    "Asterisk",
    "Espeak",
    "Installation",
    "InstanceSettings",
    "Outside",
    "Progress",
    "Queue",
    "Trunk",
    "find_asterisk",
    "find_espeak",
    "free_port_range",
    "free_ports",
    "write_instance",
]
