OPS = []                    # views of plain lists: compared with torch's strides, values and addresses in test_nb_01a.py
NOT_OPS = {'row_major', 'Layout', 'Views', 'Strided', 'pick', 'narrow', 'insert', 'spelled_out', 'permute', 'expand', 'is_contiguous', 'runs',
           'view_strides', 'view', 'contiguous', 'reshape', 'numbers'}
