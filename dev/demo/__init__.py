"""`make demo`: real requests, carried out on a real API server by the real operator, in under a minute.

scenarios.py has the examples as data and says how each must end; stage.py starts everything; play.py applies,
follows and approves; screen.py is all that a person sees.
"""
