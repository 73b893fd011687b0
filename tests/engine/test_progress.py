from slotkd.engine.progress import progress_bar


def test_the_bar_ends_where_the_work_does(capsys):
    with progress_bar(3) as advance:
        advance(1)
        advance(2)
    text = capsys.readouterr()
    assert text.out == ''
    assert '1/3' in text.err
    assert '3/3' in text.err
    assert text.err.endswith('\n')


def test_a_log_file_is_not_flooded(capsys):
    with progress_bar(1000) as advance:
        for _ in range(1000):
            advance(1)
    text = capsys.readouterr().err
    assert text.count('\r') == 20
    assert '1000/1000' in text


def test_no_work_and_work_that_fails(capsys):
    with progress_bar(0):
        pass
    try:
        with progress_bar(5) as advance:
            advance(1)
            raise KeyError
    except KeyError:
        pass
    assert capsys.readouterr().err.count('\n') == 2
