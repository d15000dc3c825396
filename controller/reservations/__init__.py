"""
SCSI-3 persistent reservations: who may write to a LUN that every node sees.

Never in here: a decision which node should have a LUN. What a LUN says is told as it is; what it did not answer is in
doubt. Stands below the gate and the drivers, and knows neither.
"""
