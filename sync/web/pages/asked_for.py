"""What people asked for and Pipedrive has not done, in the words of whoever looks at it."""

from collections.abc import Mapping
from typing import Any

from sync.pipedrive.entities import NOTES
from sync.store.journal import Action
from sync.web.pages.visit import Visit


def what_was_asked(visit: Visit, entity: str, action: Action, body: Mapping[str, Any], held_subject: str) -> str:
    """An errand as a short sentence; an activity is called by the subject it is to have, else by the one it has."""
    say = visit.say
    if entity == NOTES.name:
        return say("Add a note")
    subject = str(body.get("subject") or held_subject)
    if action is Action.CREATE:
        return say("Plan “%(subject)s”", subject=subject)
    if action is Action.DELETE:
        return say("Delete “%(subject)s”", subject=subject)
    if "done" in body:
        return say("Mark “%(subject)s” as done", subject=subject)
    return say("Move “%(subject)s” to another day", subject=subject)
