OPS = []                                        # nothing here has a gradient: figures of finished answers
NOT_OPS = {'reliability', 'calibration_error', 'Demand', 'Gate'}
