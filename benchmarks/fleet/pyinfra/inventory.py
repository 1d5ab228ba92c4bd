"""The hosts of this run, by the file that $FLEET_HOSTS names."""

import json
import os
from pathlib import Path

mail = [
    (
        host["name"],
        {
            "ssh_hostname": host["address"],
            "ssh_user": host["user"],
            "ssh_key": host["key"],
            "ssh_allow_agent": False,
            "ssh_look_for_keys": False,
            "ssh_known_hosts_file": host["known_hosts"],
            "ssh_strict_host_key_checking": "yes",
            "mail_name": host["hostname"],
        },
    )
    for host in json.loads((Path(os.environ["FLEET"]) / os.environ["FLEET_HOSTS"]).read_bytes())
]
