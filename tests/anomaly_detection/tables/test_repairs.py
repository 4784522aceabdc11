from anomaly_detection.tables.repairs import INFINITE, RepairLog, repair_text


def test_equal_repairs_add_up_file_by_file():
    log = RepairLog()
    for file, n in (("a", 1), ("b", 2), ("a", 3)):
        log.add("{n} row{s} mended", n, file)
    assert log.sentences() == ("6 rows mended (a: 4, b: 2).",)
    assert log.counts() == {"{n} row{s} mended": 6}


def test_nothing_repaired_leaves_no_trace():
    log = RepairLog()
    log.add("{n} row{s} mended", 0, "a")
    assert log.sentences() == ()
    assert log.counts() == {}


def test_the_singular_and_the_first_example():
    log = RepairLog()
    log.add("{n} cell{s} bad", 1, "a", example="'x' in row 3")
    log.add("{n} pause{s}", 1)
    assert log.sentences() == ("1 cell bad, first 'x' in row 3 (a).", "1 pause.")


def test_only_the_first_example_is_told():
    log = RepairLog()
    log.add("{n} cell{s} bad", 1, "a", example="'x'")
    log.add("{n} cell{s} bad", 1, "a", example="'y'")
    assert log.sentences() == ("2 cells bad, first 'x' (a).",)


def test_many_files_are_cut_short():
    log = RepairLog()
    for place in range(8):
        log.add("{n} gap{s}", 1, f"f{place}")
    assert log.sentences() == ("8 gaps (f0: 1, f1: 1, f2: 1, f3: 1, f4: 1, and 3 more files).",)


def test_names_with_braces_are_told_as_they_are():
    log = RepairLog()
    log.add(repair_text(INFINITE, column="T{0} [°C]"), 2, "a")
    assert log.sentences() == ("2 infinite cells of channel 'T{0} [°C]' counted as missing (a).",)
