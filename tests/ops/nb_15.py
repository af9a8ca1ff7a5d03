OPS = []
NOT_OPS = {'get_text', 'bigram_counts', 'bits_per_byte', 'merge', 'token_bytes', 'count_words', 'count_changes', 'train_merges', 'encode_piece', 'check_merges', 'digest', 'BytePairs', 'Tokenizer', 'TextBlocks'}
