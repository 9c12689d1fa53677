"""A stand-in for the Moorcheh on-prem server: the documented API to the letter, and whatever can go wrong.

`python -m dev.moorcheh --port 0 --data DIR` starts it; `dev.moorcheh.standin.StandIn` does so from Python.
Next to the API there is an admin path, in short (in full in README.md):

    GET/POST /_admin/namespaces       what lives; create with items, one or many, or re-create
    POST     /_admin/remove           make a name vanish without a job
    GET/POST /_admin/faults           the script of what goes wrong; POST …/clear takes rules back
    GET/POST /_admin/knobs            what is not known about the real server
    POST     /_admin/forget           forget jobs, as a restart does
    POST     /_admin/end              end jobs before their time
    GET      /_admin/record, /counts  what came over the wire, and what it destroyed
    POST     /_admin/reset            all anew
"""
