"""The sentences that other layers say to people and pages repeat (see `told`), to the letter as they are written there.

Where they have a value, here stands a name. `num` and `all` are numbers, `moment` an instant, `rest` is perhaps one of
these sentences again.
"""

from collections.abc import Sequence

from sync.web.words import message

# Sentences of whatever edits, plans and decides.
_EDITING = (
    message("There is no account %(id)s."),
    message("There is no account %(id)s any more."),
    message("%(field)s is no field of an account that can be edited."),
    message("%(field)s is no field that can be edited (any more)."),
    message("There is no change %(id)s."),
    message("`pipedrive-sync accounts show` lists them."),
    message("There is no conflict %(id)s."),
    message("`pipedrive-sync conflicts list` shows them."),
    message("Organization %(id)s has no account, or Pipedrive has it no more."),
    message("`pipedrive-sync accounts list` shows those there are."),
    message("There is no activity %(id)s, or it is deleted."),
    message("`pipedrive-sync accounts show … --json` lists an account's; one that is new comes with the next sync."),
    message("Activity %(id)s does not belong to any account."),
    message("Activity %(id)s does not belong to the account of organization %(organization)s."),
    message("Only activities of an account, or of one of its deals, are changed from here."),
    message("There is no activity type %(text)s."),
    message("Several activity types are called %(text)s."),
    message("Give the key; there are %(list)s."),
    message("There are %(list)s."),
    message("Run a sync first."),
    message("User %(id)s does not exist or is not active."),
    message("Choose another owner."),
    message("Organization %(organization)s has no deal %(id)s."),
    message("`pipedrive-sync accounts show` lists the deals of an account with their ids."),
    message("The subject is empty."),
    message("The note is empty."),
    message("Say what it is about."),
    message("The subject contains characters that are no text."),
    message("The note contains characters that are no text."),
    message("Leave them out; it takes UTF-8."),
    message("%(text)s is not a date."),
    message("Write it like 2026-12-01."),
    message("%(text)s is not a due time."),
    message("%(text)s is not a duration."),
    message("Write it like 09:30; times of day are in UTC."),
    message("No errand %(id)s has failed."),
    message("Those that wait go out by themselves."),
    message("No errand %(id)s waits or has failed."),
    message("What was sent already can't be taken back from here; change or delete it again."),
)

# What can be wrong with a value: half sentences, which stand behind the name of a field.
_VALUES = (
    message("it can't be empty"),
    message("it must be a text"),
    message("it must not contain a NUL character"),
    message("it contains half a character"),
    message("it must be a number, such as 1200.50"),
    message("it must be a whole number"),
    message("it is too large a number"),
    message("it must be the id of a record, a positive number"),
    message("it must be one of 1, 3, 5, 7"),
    message("it must be the id of an option%(rest)s"),
    message("it has no option %(id)s%(rest)s"),
    message("it must be a list of ids of options%(rest)s"),
    message("; it has no options"),
    message("; the options are %(list)s"),
    message("; the options are %(list)s and %(num)s more"),
    message("it must be a date, such as 2026-12-31"),
    message("it must be a time of day, such as 09:00"),
    message("it must be an amount with its currency, such as 1200 EUR"),
    message("it must be an address, as a text or an object with its text as value"),
    message("it must be two dates, such as 2026-01-01..2026-12-31"),
    message("it must be two times of day, such as 09:00..17:00"),
    message("its %(parts)s is missing: %(rest)s"),
    message("its %(parts)s are missing: %(rest)s"),
    message("it has no part %(unknown)s; the parts are %(parts)s"),
    message("it must be one of its options"),
    message("it must be one of its options: %(list)s"),
    message("the field at Pipedrive has no option %(list)s"),
)

# Why something that was asked for is not done.
_REASONS = (
    message("Pipedrive has this organization no more: it was deleted, or merged into another one"),
    message("organizations have no such field (any more) that may be written"),
    message("Pipedrive has it no more: it was deleted"),
    message("no answer came, and it was changed at Pipedrive since: look at it before you try again"),
    message("no answer came, and Pipedrive does not show it yet"),
    message("no answer came; Pipedrive has it when it was read"),
    message("no answer came; Pipedrive did not have it when it was read"),
    message("Pipedrive took a write and did not answer with the record."),
    message("The next round finds out what became of it."),
    message("The service does not work at present, so nothing can be fetched from Pipedrive."),
)

# What a call to Pipedrive can come to.
_CALLS = (
    message("Pipedrive did not understand the request"),
    message("Pipedrive does not accept the credentials"),
    message("Pipedrive says this company account is not open"),
    message("Pipedrive does not allow this to the token's user"),
    message("Pipedrive has nothing at this address"),
    message("Pipedrive does not offer this operation"),
    message("Pipedrive has removed this for good"),
    message("This feature is not switched on in your Pipedrive"),
    message("Pipedrive understood the request and refused it"),
    message("Pipedrive asks for fewer requests per second"),
    message("Pipedrive had an internal error"),
    message("Pipedrive does not support this operation"),
    message("Pipedrive could not be reached behind its gateway"),
    message("Pipedrive is down or overloaded"),
    message("Pipedrive took too long behind its gateway"),
    message("The protection in front of Pipedrive has shut this computer out"),
    message("Pipedrive's answer could not be read"),
    message("Pipedrive could not be reached"),
    message("There is no such Pipedrive address"),
    message("The address in the settings is not that of your Pipedrive company"),
    message("Pipedrive refused the request"),
    message("Pipedrive had an error"),
    message("Writing to Pipedrive is switched off in the settings."),
    message("Pipedrive's tokens of this day are spent."),
    message("Pipedrive's tokens of this day are spent (needed for: %(purpose)s)."),
    message(
        "This program has used its share of the day's tokens (needed for: %(purpose)s; used %(num)s of %(all)s, see "
        "budget.share in the settings)."
    ),
)

# And what then helps.
_REMEDIES = (
    message("Nothing is lost: run it again in a few minutes, and look at status.pipedrive.com if it goes on."),
    message(
        "This is a fault of this program or a change at Pipedrive: look for a newer version, and report this line."
    ),
    message(
        "Copy the API token again (Pipedrive: your name > Company settings > Personal preferences > API) into "
        "PIPEDRIVE_API_TOKEN, or authorise the app anew if you use OAuth; check PIPEDRIVE_COMPANY_DOMAIN too."
    ),
    message("Ask whoever pays for Pipedrive to check the subscription: the trial may be over or a bill unpaid."),
    message(
        "Ask a Pipedrive administrator to give that user permission (and API access), or use an administrator's token."
    ),
    message("The record was probably deleted in the meantime; the next sync settles that."),
    message("Switch it on in Pipedrive or leave the entity out in the settings; your plan may not include it."),
    message("Pipedrive's own words say which limit or rule is in the way; change that in Pipedrive first."),
    message("Something else uses the same token heavily: pause it, or give this program a token of its own user."),
    message(
        "Wait half an hour before the next run, and find out whether another program on this network floods Pipedrive."
    ),
    message("Check PIPEDRIVE_COMPANY_DOMAIN (or PIPEDRIVE_BASE_URL) and this computer's network, proxy and firewall."),
    message(
        "Correct PIPEDRIVE_COMPANY_DOMAIN: it is the first part of the address you see in the browser, as in "
        "https://acme.pipedrive.com; if it is right, check this computer's network."
    ),
    message(
        "Correct PIPEDRIVE_COMPANY_DOMAIN (or PIPEDRIVE_BASE_URL): it is the first part of the address you see in the "
        "browser, as in https://acme.pipedrive.com."
    ),
    message("Start it again after %(moment)s, when the day's tokens come back; it goes on where it stopped."),
)

# What the database can refuse.
_DATABASE = (
    message("The database %(name)s has been in use by another process for %(seconds)s s."),
    message("End that process, or its transaction, and try again."),
    message("The database %(name)s can't be written: %(rest)s."),
    message("Make room on its disk and run the same command again: nothing committed is lost."),
    message("The database %(name)s can't be used: %(rest)s."),
    message("Check DATABASE_URL, and that the database server is running and lets this user in."),
    message("The database refused a statement: %(rest)s."),
    message("Please report this."),
)

# What the state of everything asks of people.
_ATTENTION = (
    message("Nothing is copied from Pipedrive yet: run `pipedrive-sync check`, then `pipedrive-sync backfill`."),
    message("The first copy is not complete (%(list)s to go on with): run `pipedrive-sync backfill`."),
    message("The accounts are not built yet: run `pipedrive-sync backfill`, which does so at its end."),
    message(
        "Pipedrive no longer shows %(list)s: too many to believe, so none of them was marked deleted. If the token's "
        "user lost visibility, give it back. If they really were deleted, run `pipedrive-sync sync --accept-deletions`."
    ),
    message(
        "Set aside because no row can hold them: %(list)s. The reasons stand in the table rejected_records; each is "
        "tried again when it changes at Pipedrive."
    ),
    message(
        "Pipedrive was last asked for changes at %(moment)s: run `pipedrive-sync sync`, from a timer if there is none."
    ),
    message("The company's tokens of this day are spent until %(moment)s: nothing can be read."),
    message(
        "Our share of the day's tokens is used up; it comes back at %(moment)s. A larger `budget.share` in the "
        "settings raises it, `backfill --use-all-tokens` lifts it for one run."
    ),
    message("The service's job “%(job)s” fails (%(num)s times in a row): %(rest)s"),
    message("The service's job “%(job)s” fails (%(num)s times in a row, not since %(moment)s): %(rest)s"),
    message(
        "No active webhook tells of %(list)s: run `pipedrive-sync webhooks install`, or let the service do it within a "
        "day."
    ),
    message(
        "No webhook has come since %(moment)s, though %(num)s changes were found without one: polls do the work. "
        "Can Pipedrive reach the receiver? `pipedrive-sync webhooks list` tells what it was answered."
    ),
    message(
        "No webhook has come at all, though %(num)s changes were found without one: polls do the work. Can Pipedrive "
        "reach the receiver? `pipedrive-sync webhooks list` tells what it was answered."
    ),
    message("%(num)s changes were found that no webhook told of; polls made up for them."),
    message("%(num)s webhook events could not be applied. Each is tried again once its record has been read."),
    message(
        "%(num)s webhook events could not be applied, the last one because %(rest)s. Each is tried again once its "
        "record has been read."
    ),
    message("More than 80 % of our share of the day's tokens is used: polls go at half their pace, the sweep rests."),
    message(
        "Edits of %(num)s accounts wait for approval: look at them with `pipedrive-sync sync --dry-run`, then run "
        "`pipedrive-sync accounts approve`."
    ),
    message(
        "Custom fields at Pipedrive are to be filled from accounts (%(list)s): `pipedrive-sync accounts approve` lets "
        "them be made and filled."
    ),
    message(
        "Writing is paused since %(moment)s (by %(who)s), and edits of %(num)s accounts wait: `pipedrive-sync "
        "resume` lets them go."
    ),
    message(
        "%(num)s edited fields can't be written: `pipedrive-sync conflicts list` says why; edit them again, or run "
        "`pipedrive-sync accounts retry`."
    ),
    message(
        "Pipedrive refused %(num)s activities or notes: `pipedrive-sync accounts errands` says why, and tries one "
        "again or forgets it."
    ),
    message("%(num)s conflicts wait for a decision: `pipedrive-sync conflicts list`."),
)

# Half sentences stand behind the name of a field or in brackets; calls are followed by what was called.
HALVES: Sequence[str] = (*_VALUES, *_REASONS)
CALLS: Sequence[str] = _CALLS
SENTENCES: Sequence[str] = (*_EDITING, *HALVES, *_CALLS, *_REMEDIES, *_DATABASE, *_ATTENTION)
