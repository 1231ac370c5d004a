"""Names unroll from a label; what is said to obey a grammar does."""

import jax
import jax.numpy as jnp
import names
import numpy as np

import scanrnn as sr

RNG = np.random.default_rng(0)
KNOWN = [names.draw_names(grammar, 40, RNG) for grammar in names.GRAMMARS.values()]


def test_names_obey_their_own_grammar_and_no_other():
    own, worst, other, new = names.judge(KNOWN, KNOWN)
    assert (own, worst, other, new) == (1, 1, 0, 0)
    turned = KNOWN[1:] + KNOWN[:1]
    own, worst, other, new = names.judge(turned, KNOWN)
    assert (own, worst, other, new) == (0, 0, 1, 0)
    spoilt = [[name + "?" for name in row] for row in KNOWN]
    assert names.judge(spoilt, KNOWN) == (0, 0, 0, 0)


def test_tokens_are_the_names_and_have_room_for_the_longest():
    data = names.encode(KNOWN)
    assert data.tokens.shape == (160, names.LONGEST + 1)
    assert np.all(np.asarray(data.tokens)[:, [0, -1]] == 0)
    assert names.decode(np.asarray(data.tokens)[None, 40:, 1:])[0][:40] == KNOWN[1]
    longest = max(
        3 * max(map(len, grammar.stems)) + max(map(len, grammar.endings))
        for grammar in names.GRAMMARS.values()
    )
    assert longest < names.LONGEST


def test_what_was_generated_is_what_was_fed_back():
    """Given the generated tokens, the cell within goes through the same states."""
    params = names.init(jax.random.key(0))
    key, temperature = jax.random.key(1), 0.7
    tokens = names.generate(params, key, 5, temperature).reshape(-1, names.LONGEST).T
    start = names.INNER.start(20)._replace(h=jnp.repeat(params.seeds, 5, axis=0))
    given = jnp.concatenate((jnp.zeros_like(tokens[:1]), tokens[:-1]))
    run = sr.unroll(names.INNER, params.model.cell, given, start)
    logits = sr.dense(params.model.readout, run.outputs)
    size = (names.LONGEST + 1, 20, len(names.LETTERS))
    noise = temperature * jax.random.gumbel(key, size)
    assert np.array_equal(jnp.argmax(logits + noise[1:], -1), tokens)


def test_it_shows_names_of_every_label(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names.main(seeds=1, steps=3, names=40, count=20)
    told = capsys.readouterr().out
    assert (tmp_path / "names.png").read_bytes().startswith(b"\x89PNG")
    assert "95% at temperature 0.6: NOT reached" in told
    for label in names.GRAMMARS:
        assert label in told


def test_a_label_is_learnt_from_its_seed_vector_alone():
    params, losses = names.train(names.encode(KNOWN), jax.random.key(0), 1, 200)
    assert losses[-1] < 0.35 * losses[0]
    shares = names.shares_of(params, KNOWN, jax.random.key(1), 1, 20)
    cool = names.TEMPERATURES.index(0.2)
    assert shares.own[cool] > 0.5
    assert shares.own[cool] > 10 * shares.other[cool]  # the label is what tells them
