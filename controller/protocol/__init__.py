"""
What both ends of the wire know: messages, answers, identity by Swarm's node certificates, how a controller is found.

Never in here: what one end does with a message.

Invariant: TLS is always verified, both ways; a message is checked in full before anything sees it.
"""
