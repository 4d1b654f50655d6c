"""The doctor's words in English. Keys and the names in braces are those of ``words_zh.py``; a test says so."""

WORDS = {
    "healthy": "{kernel}, run by {blocks} block(s) of {threads} thread(s): nothing found.",
    "found_one": "{kernel}, run by {blocks} block(s) of {threads} thread(s): 1 finding.",
    "found": "{kernel}, run by {blocks} block(s) of {threads} thread(s): {count} findings.",
    "memory": "Global memory: ",
    "counted": "{array} {reads} reads, {writes} writes",
    "shared": "shared memory: {reads} reads, {writes} writes",
    "barriers": "barriers passed: {count}",
    "separator": "; ",
    "stop": ".",
    "comma": ", ",
    "semicolon": "; ",
    "and": " and ",
    "and_more": "{some} and {more} more",
    "and_blocks": "{some}; and in {more} more blocks",
    "hint": "A hint: in line {line} ({text}) only {share} % of a warp's accesses to {array} touch neighbouring "
    "elements. A GPU fetches neighbours together: let threadIdx.x run along the last axis.",
    "thread": "thread {threads} of block {block}",
    "threads": "threads {threads} of block {block}",
    "at": "{kernel}, line {line}:  {text}",
    "by": "by {who}",
    "advice": "What to do: ",
    "space_global": "global",
    "space_shared": "shared",
    "space_local": "local",
    "space_constant": "constant",
    "does_R": "reads",
    "does_W": "writes",
    "does_A": "changes it atomically",
    "out_of_bounds_read_title": "Read out of bounds: {elements}",
    "out_of_bounds_read_why": "{array} has {size} element(s), the last is {last}. A GPU does not look: it gives "
    "whatever lies there.",
    "out_of_bounds_read_do": "let only threads whose index is inside read: a guard such as if i < {array}.shape[0].",
    "out_of_bounds_write_title": "Write out of bounds: {elements}",
    "out_of_bounds_write_why": "{array} has {size} element(s), the last is {last}. A GPU does not look: it "
    "overwrites what belongs to another array, or ends the program.",
    "out_of_bounds_write_do": "a grid is whole blocks, so some threads have no element: a guard such as if i < "
    "{array}.shape[0].",
    "negative_index_title": "Negative index: {elements}",
    "negative_index_why": "it counts from the end, silently: {array} has {size} element(s), and this is one of the "
    "last.",
    "negative_index_do": "at the border, leave out what lies outside: a guard such as if i > 0. If the last element "
    "is meant, say {array}.shape[0] - 1.",
    "uninitialised_read_title": "Read of what nobody has written: {elements} ({space} memory)",
    "uninitialised_read_why": "such memory holds what was there before: other numbers at each run.",
    "uninitialised_read_do": "write the element first, or let the array begin with zeros. Where another thread "
    "writes it, a cuda.syncthreads() belongs between.",
    "race_title": "Race for {elements} ({space} memory), no barrier between",
    "race_why": "{one} {one_does} {element}, {other} {other_does} it; which comes first is chance.",
    "race_do": "cuda.syncthreads() between the two, where every thread of the block comes by.",
    "race_same_line_do": "give each thread an element of its own; or part reading from writing by "
    "cuda.syncthreads(); for a sum or a count, cuda.atomic.add.",
    "race_between_blocks_title": "Race between blocks for {elements} ({space} memory)",
    "race_between_blocks_why": "{one} {one_does} {element}, {other} {other_does} it; blocks run in any order, and "
    "no barrier holds between them.",
    "race_between_blocks_do": "let one block own what it reads and writes: write to another array, or use two "
    "launches.",
    "race_between_blocks_same_line_do": "let one thread own each element; for a sum or a count, cuda.atomic.add.",
    "same_value_race_title": "Several threads write the same value to {elements} ({space} memory)",
    "same_value_race_why": "{one} {one_does} {element}, {other} {other_does} it. This time the values agree, so the "
    "result is right; it is work done twice, and a race as soon as they differ.",
    "same_value_race_do": "let one thread write it: if cuda.threadIdx.x == 0.",
    "same_value_race_across_do": "let one thread of the whole grid write it: if cuda.grid(1) == 0; where each block "
    "should have elements of its own, index by cuda.grid(1), not by cuda.threadIdx.x.",
    "divergent_barrier_title": "A barrier that only some threads reach",
    "divergent_barrier_why": "{missing} had returned. A GPU waits for them for ever, or goes on with half of the "
    "work done.",
    "divergent_barrier_do": "no return and no if around cuda.syncthreads(): put the guard around the reading and "
    "writing only.",
    "different_barriers_title": "Threads of a block wait at different barriers: lines {lines}",
    "different_barriers_why": "every thread of a block must come to the same cuda.syncthreads(), the same number of "
    "times.",
    "different_barriers_do": "take cuda.syncthreads() out of the branches of the if.",
    "unwritten_output_title": "Never written: {elements}",
    "unwritten_output_why": "{count} of {size} elements of {array} keep what was in memory before.",
    "unwritten_output_do": "more blocks, a guard that is less strict, or an index that reaches all elements.",
    "error_title": "{error}: {message}",
    "error_why": "this stops Python. A GPU raises nothing: it would go on with a wrong number, or Numba would not "
    "compile it.",
    "error_do": "mend the line, then examine again: what comes after it has not been looked at.",
    "error_zero_do": "a guard against 0 before the division. What comes after it has not been looked at.",
    "endless_title": "No end in sight",
    "endless_why": "a thread ran more than {limit} lines, or all together far more, or a block passed very many "
    "barriers; the examination was stopped here.",
    "endless_do": "look at what ends the loop. If it is just long, take a smaller example, or limit=… of examine.",
    "unsupported_title": "Not supported: {what}",
    "unsupported_why": "the doctor cannot follow this, so the rest of this block has not been looked at.",
    "unsupported_do": "write it without, or judge this kernel on a GPU.",
    "too_many": "Too many {what}: {count}, allowed {most}",
    "of_reads": "reads of {array} in global memory",
    "of_writes": "writes to {array} in global memory",
    "of_shared_reads": "reads of shared memory",
    "of_barriers": "barriers",
    "alt_output": "Grid of the {count} elements of {array}; each is coloured by the block that wrote it and bears "
    "that thread's index.",
    "alt_input": "Grid of the {count} elements of {array}; each is coloured by the block that read it and bears "
    "that thread's index.",
    "alt_shared": "Shared array {array} of block {block} from barrier to barrier: for each element the thread that "
    "wrote (W) and read (R) it.",
    "alt_faults": "Marked by a red cross: {elements}.",
    "alt_healthy": "Nothing is marked as a fault.",
    "alt_nothing": "No array was written.",
    "legend_block": "block {block}",
    "legend_thread": "thread",
    "legend_blank": "never written",
    "legend_unread": "never read",
    "legend_fault": "fault",
}
