"""Where people made these mistakes: an address, and the fact that is told there.

The code in `hands` was written for this set; none of it stands at these addresses.
"""

FORUM = "https://community.deeplearning.ai/t/"
GITHUB = "https://github.com/"

STORIES = {
    "no carry": (
        FORUM + "c5-w1a1-optional-rnn-back-propagation/48297",
        "the cell is given da of its step alone; what time hands back is not added",
    ),
    "only the carry": (
        FORUM + "question-on-backpropagation-week-1-prog-assignment-1/555129",
        "the cell is given da_prevt alone, and everything comes out as zero",
    ),
    "a[t-1] at 0": (
        FORUM + "week1-assignment-1-rnn-forward/555049",
        "a[:, :, t-1] is the last slot at t = 0, still zeros; a0 is never used",
    ),
    "zeros for a0": (
        FORUM + "w1a1-unq-c2-wrong-values-for-a/620405",
        "a_next is begun with zeros although a0 is an argument",
    ),
    "cell off": (
        FORUM + "dls-5-week-1-exercise-7-lstm-cell-backward-output-is-not-an-"
        "expected-one/22398",
        "dbf, dbi and dbc of the cell come out wrong while dbo and dc_prev are right",
    ),
    "loop right, cell wrong": (
        FORUM + "c5w1a1-wrong-results-of-lstm-backward/8480",
        "the loop over time is right; the cell it calls is not",
    ),
    "weights not split": (
        FORUM + "dls-c5-week-1-ex7-lstm-cell-backward/405415",
        "dxt is made with the columns of W that belong to a_prev, or with all of them",
    ),
    "wrong formula": (
        GITHUB + "jinzishuai/learn2deeplearn/issues/44",
        "the formula that the notebook printed for dcct was wrong",
    ),
    "c = a": (
        GITHUB + "omerbsezer/LSTM_RNN_Tutorials_with_Demo/issues/2",
        "c = a makes both names the same array; and da without da_prevt",
    ),
    "= for +=": (
        GITHUB + "apache/mxnet/issues/4057",
        "the cotangent of the cell state is set by the output instead of added to",
    ),
    "sigmoid again": (
        GITHUB + "CaptainE/RNN-LSTM-in-numpy/issues/1",
        "the activation is applied where its derivative was meant; dh_next and "
        "dC_next are never updated",
    ),
    "in place": (
        GITHUB + "Burton2000/CS231n-2017/issues/7",
        "dh[:, t, :] of the argument is added to in the loop",
    ),
    "bo everywhere": (
        GITHUB + "ddbourgin/numpy-ml/issues/42",
        "the bias of the output gate stands in two other gates as well",
    ),
    "delta of f": (
        GITHUB + "hanbt/learn_dl/issues/53",
        "bias gradients of i and o are taken from the delta of f",
    ),
    "no tanh": (
        GITHUB + "nicodjimenez/lstm/issues/47",
        "h = o * c without the tanh",
    ),
    "1 + tanh**2": (
        GITHUB + "nicodjimenez/lstm/issues/41",
        "the derivative of tanh is taken for that of tan",
    ),
    "1 / (1 - h**2)": (
        GITHUB + "oreilly-japan/deep-learning-from-scratch-2/issues/26",
        "the derivative of artanh is taken for that of tanh",
    ),
    "h not passed": (
        GITHUB + "qixianbiao/RNN/issues/2",
        "the gradient of h is not handed to the step before",
    ),
    "dc += dc": (
        GITHUB + "javaidnabi31/RNN-from-scratch/issues/2",
        "a bias gradient adds another gradient than its own",
    ),
    "off by one": (
        "https://lzwjava.github.io/notes/2025-09-06-lstm-bugs-fixes-en",
        "lists that begin with the start state are read at t instead of t + 1, and "
        "C[t - 1] wraps around",
    ),
    "one array": (
        GITHUB + "pytorch/pytorch/pull/142303",
        "the list of outputs holds references to one array that is written again",
    ),
    "mean for sum": (
        GITHUB + "kvfrans/notes/issues/5",
        "the bias gradient is a mean over the examples",
    ),
    "sum of all": (
        GITHUB + "rasbt/stat453-deep-learning-ss21/issues/5",
        "a sum without an axis gives every bias the same gradient",
    ),
    "bias by x": (
        GITHUB + "rust0258/Deeplearning.ai-Natural-Language-Processing-Specialization/"
        "issues/64",
        "the bias gradient is the weight gradient summed",
    ),
    "not by the batch": (
        GITHUB + "victorlempitsky/Mate/issues/2",
        "the softmax loss is divided by another count than the number of examples",
    ),
    "divided again": (
        GITHUB + "fetchai/ledger/pull/1580",
        "the gradient of the cross entropy is divided by the batch once more",
    ),
    "factor of two": (
        GITHUB + "markroxor/fromscratchtoml/issues/65",
        "the softmax gradient is off by a factor of two",
    ),
    "p - 1 everywhere": (
        GITHUB + "eriklindernoren/ML-From-Scratch/issues/71",
        "how the label enters the softmax gradient is not clear",
    ),
    "other delta": (
        GITHUB + "lhnguyen102/cuTAGI/issues/77",
        "one gate of four uses another delta than the others",
    ),
    "r indexed wrongly": (
        GITHUB + "ooples/AiDotNet/pull/722",
        "the reset gate multiplies the product instead of the state",
    ),
    "z and 1 - z": (
        "https://gitcode.net/paddlepaddle/Paddle/-/issues/5493",
        "two forms of the GRU's last line are about: z keeps, or z renews",
    ),
    "first step's": (
        GITHUB + "lmnt-com/haste/issues/43",
        "what belongs to the first step is used at all steps",
    ),
    "overwritten": (
        GITHUB + "apache/mxnet/pull/18203",
        "a cotangent is overwritten before the last reader has read it",
    ),
    "+ for *": (
        GITHUB + "MartinuzziFrancesco/torchrecurrent/issues/22",
        "the gated input is a sum instead of a product",
    ),
    "c at the end": (
        GITHUB + "deeplearning4j/deeplearning4j/issues/8838",
        "the cotangent of the last memory is left out",
    ),
    "broadcast": (
        GITHUB + "jimfleming/differentiation/issues/1",
        "a bias gradient keeps the shape that the bias was broadcast to",
    ),
    "no reset": (
        "https://github.com/SEUNKOREA/TIL",
        "the candidate of a GRU is made from the state without the reset gate",
    ),
    "slice of time": (
        GITHUB + "rsokl/MyGrad/pull/4",
        "the slice of steps that hands its gradient on is one too short",
    ),
    "tanh for o": (
        GITHUB + "arunmallya/arunmallya.github.io/issues/6",
        "the derivative of a gate is looked for at the wrong argument",
    ),
}
