"""Around the simulation of `poolwright.domain.simulation`: reading what it plays, and showing what came out.

`reading` makes a configuration of YAML files without any database, `comparing` plays the same demand against one or
several of them, and `picture` and `page` draw the result.
"""
