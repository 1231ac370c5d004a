"""Ways in which people paste the numbers of the exercise, and what stands in them.

Written from what is seen in forums and issue trackers: the notebook's own lines, copied
tables, replies, phones that make quotes curly, spreadsheets with decimal commas. A form
is the function, the text, the entries that it holds and the shapes. Numbers that stand
in it and must not be taken (expected ones, those of a traceback) are not listed.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Form(NamedTuple):
    like: str
    text: str
    entries: dict[str, list[float]]
    shapes: Mapping[str, tuple[int, ...]] = {}
    unread: int = 0  # lines that nobody can make sense of


DX = [-0.4086444, -0.59255627, 0.02466855, 0.01483317]
FIVE = {
    "dx[1][2]": DX,
    "da0[2][3]": [0.35797354781107577],
    "dWax[3][1]": [9.080048935561893],
    "dWaa[1][2]": [-1.1937344787376247],
    "dba[4]": [-1.40083774],
}
SHAPES = {"dx": (3, 10, 4), "da0": (5, 10), "dWax": (5, 3), "dWaa": (5, 5)}
RNN, LSTM = "rnn_backward", "lstm_backward"
ROW = "[-0.4086444  -0.59255627  0.02466855  0.01483317]"
DWAA = [
    [-4.52, 0.163, -1.19, 0.71, 1.25],
    [0.31, -2.25, 1.84, -0.66, 0.05],
    [1.09, 0.42, -0.13, 2.6, -3.71],
    [-0.88, 1.33, 0.27, -1.5, 0.94],
    [2.02, -0.39, 0.58, 1.17, -0.76],
]
A4 = [
    *(0.59584544, 0.18141802, 0.61311866, 0.99808218, 0.85016201),
    *(0.99980978, -0.18887155, 0.99815551, 0.6531151, 0.82872037),
]


def flat(rows):
    return [number for row in rows for number in row]


NOTEBOOK = f"""\
gradients["dx"][1][2] = {ROW}
gradients["dx"].shape = (3, 10, 4)
gradients["da0"][2][3] = 0.35797354781107577
gradients["da0"].shape = (5, 10)
gradients["dWax"][3][1] = 9.080048935561893
gradients["dWax"].shape = (5, 3)
gradients["dWaa"][1][2] = -1.1937344787376247
gradients["dWaa"].shape = (5, 5)
gradients["dba"][4] = [-1.40083774]
gradients["dba"].shape = (5, 1)
"""

FORMS = {
    "the notebook's lines": Form(RNN, NOTEBOOK, FIVE, SHAPES | {"dba": (5, 1)}),
    "all in one line": Form(
        RNN, " ".join(NOTEBOOK.split("\n")), FIVE, SHAPES | {"dba": (5, 1)}
    ),
    "backslash n for a line's end": Form(
        RNN, NOTEBOOK.replace("\n", "\\n"), FIVE, SHAPES | {"dba": (5, 1)}
    ),
    "windows line ends and tabs": Form(
        RNN,
        NOTEBOOK.replace(" = ", "\t=\t").replace("\n", "\r\n"),
        FIVE,
        SHAPES | {"dba": (5, 1)},
    ),
    "curly quotes": Form(
        RNN,
        "gradients[“da0”][2][3] = 0.35797354781107577\n"
        "gradients[‘dba’][4] = [-1.40083774]",
        {"da0[2][3]": FIVE["da0[2][3]"], "dba[4]": FIVE["dba[4]"]},
    ),
    "escaped quotes": Form(
        RNN, 'gradients[\\"dWax\\"][3][1] = 9.08004894', {"dWax[3][1]": [9.08004894]}
    ),
    "the typographic minus": Form(
        RNN,
        "dba[4] = −1.40083774\ndWaa[1][2] = –1.1937344787",
        {"dba[4]": [-1.40083774], "dWaa[1][2]": [-1.1937344787]},
    ),
    "a no-break space": Form(
        RNN, "dWax[3][1]\u00a0=\u00a09.0800489", {"dWax[3][1]": [9.0800489]}
    ),
    "decimal commas": Form(
        RNN,
        "dba[4] = -1,40083774\nda0[2][3] = 0,35797355\n"
        "dx[1][2] = -0,4086444; -0,59255627; 0,02466855; 0,01483317",
        {"dba[4]": [-1.40083774], "da0[2][3]": [0.35797355], "dx[1][2]": DX},
    ),
    "decimal commas in a row without separators": Form(
        RNN,
        "dx[1][2] = [-0,4086444 -0,59255627 0,02466855 0,01483317]",
        {"dx[1][2]": DX},
    ),
    "commas without blanks": Form(
        RNN,
        "dx[1][2]=[-0.4086444,-0.59255627,0.02466855,0.01483317]",
        {"dx[1][2]": DX},
    ),
    "a row over two lines": Form(
        "rnn_cell_forward",
        """a_next[4] =
 [ 0.59584544  0.18141802  0.61311866  0.99808218  0.85016201  0.99980978
 -0.18887155  0.99815551  0.6531151   0.82872037]
a_next.shape =
 (5, 10)""",
        {"a_next[4]": A4},
        {"a_next": (5, 10)},
    ),
    "a row that NumPy cut": Form(
        "rnn_cell_forward",
        "a_next[4] = [0.59584544 0.18141802 0.61311866 ... "
        "0.99815551 0.6531151  0.82872037]",
        {"a_next[4]": [*A4[:3], *A4[-3:]]},
    ),
    "a row that somebody cut": Form(
        RNN, "dx[1][2] = [-0.4086444, -0.59255627, ...]", {"dx[1][2]": DX[:2]}
    ),
    "the one-letter ellipsis": Form(
        RNN, "dx[1][2] = [-0.4086444 …  0.01483317]", {"dx[1][2]": [DX[0], DX[3]]}
    ),
    "array( )": Form(
        RNN,
        "dx[1][2]: array([-0.4086444 , -0.59255627,  0.02466855,  0.01483317])\n"
        "dba[4]: array([-1.40083774])",
        {"dx[1][2]": DX, "dba[4]": FIVE["dba[4]"]},
    ),
    "Array( ) of JAX": Form(
        RNN,
        "dx[1][2] = Array([-0.4086444, -0.59255627, 0.02466855, 0.01483317], "
        "dtype=float32)",
        {"dx[1][2]": DX},
    ),
    "tensor( ) of torch": Form(
        RNN,
        "dx[1][2] = tensor([-0.4086, -0.5926,  0.0247,  0.0148], dtype=torch.float64)",
        {"dx[1][2]": [-0.4086, -0.5926, 0.0247, 0.0148]},
    ),
    "np.float64( )": Form(
        RNN,
        'gradients["da0"][2][3] = np.float64(0.35797354781107577)\n'
        "dWax[3][1] = numpy.float32(9.080049)",
        {"da0[2][3]": FIVE["da0[2][3]"], "dWax[3][1]": [9.080049]},
    ),
    "a markdown table": Form(
        RNN,
        """| entry | value |
|---|---|
| gradients["dx"][1][2] | [-0.4086444 -0.59255627 0.02466855 0.01483317] |
| **dba[4]** | `-1.40083774` |""",
        {"dx[1][2]": DX, "dba[4]": FIVE["dba[4]"]},
    ),
    "a markdown table with expected beside got": Form(
        RNN,
        """| entry | expected | got |
|:--|--:|--:|
| dba[4] | -0.74747722 | -1.40083774 |
| dWaa[1][2] | 2.30333313 | -1.19373448 |""",
        {"dba[4]": [-1.40083774], "dWaa[1][2]": [-1.19373448]},
    ),
    "the notebook's html table": Form(
        RNN,
        """<table>
    <tr>
        <td>
            **gradients["dx"][1][2]** =
        </td>
        <td>
           [-0.4086444  -0.59255627  0.02466855  0.01483317]
        </td>
    </tr>
        <tr>
        <td>
            <b>gradients["dba"].shape</b> =
        </td>
        <td>
           (5,)
        </td>
    </tr>
</table>""",
        {"dx[1][2]": DX},
        {"dba": (5,)},
    ),
    "a table in the comments of an exported notebook": Form(
        RNN,
        """# <table>
#     <tr>
#         <td>
#             <b>gradients["dba"][4]</b> =
#         </td>
#         <td>
#            [-1.40083774]
#         </td>
#     </tr>
# </table>
print("gradients[\\"dba\\"][4] =", gradients["dba"][4])
np.testing.assert_almost_equal(gradients["dba"][4], -0.74747722)""",
        {"dba[4]": [-1.40083774]},
    ),
    "html entities": Form(
        RNN,
        "gradients[&quot;dba&quot;][4]&nbsp;=&nbsp;[&minus;1.40083774]",
        {"dba[4]": [-1.40083774]},
    ),
    "bold and code": Form(
        RNN,
        "**dba[4]** = `-1.40083774`\n__dWax[3][1]__ = *9.0800489*",
        {"dba[4]": [-1.40083774], "dWax[3][1]": [9.0800489]},
    ),
    "a list with bullets": Form(
        RNN,
        "- dba[4]: -1.40083774\n* da0[2][3]: 0.35797355\n1. dWax[3][1]: 9.0800489",
        {"dba[4]": [-1.40083774], "da0[2][3]": [0.35797355], "dWax[3][1]": [9.0800489]},
    ),
    "quoted in a reply": Form(
        RNN,
        "> dba[4] = -1.40083774\n>> da0[2][3] = 0.35797355",
        {"dba[4]": [-1.40083774], "da0[2][3]": [0.35797355]},
    ),
    "Python's prompt": Form(
        RNN,
        """>>> gradients["dba"][4]
array([-1.40083774])
>>> gradients["da0"][2, 3]
0.35797354781107577""",
        {"dba[4]": [-1.40083774], "da0[2][3]": FIVE["da0[2][3]"]},
    ),
    "IPython's prompt": Form(
        RNN,
        """In [12]: gradients['dWax'][3, 1]
Out[12]: 9.080048935561893

In [13]: gradients['dba'].shape
Out[13]: (5,)""",
        {"dWax[3][1]": FIVE["dWax[3][1]"]},
        {"dba": (5,)},
    ),
    "a name alone and the number below": Form(
        RNN,
        "dba[4] =\n-1.40083774\ndWax[3][1] =\n\n  9.0800489",
        {"dba[4]": [-1.40083774], "dWax[3][1]": [9.0800489]},
    ),
    "expected beside got, in one line": Form(
        RNN,
        "dba[4] = [-1.40083774] (expected [-0.74747722])\n"
        "da0[2][3]: expected -0.314942375127, got 0.35797354781107577",
        {"dba[4]": [-1.40083774], "da0[2][3]": FIVE["da0[2][3]"]},
    ),
    "my output, then the expected output": Form(
        RNN,
        f"""My output:

gradients["dx"][1][2] = {ROW}
gradients["dba"][4] = [-1.40083774]

Expected Output:

gradients["dx"][1][2] = [-2.07101689 -0.59255627  0.02466855  0.01483317]
gradients["dba"][4] = [-0.74747722]""",
        {"dx[1][2]": DX, "dba[4]": [-1.40083774]},
    ),
    "the expected output first": Form(
        RNN,
        """**Expected Output**:
dba[4] = -0.74747722
I get
dba[4] = -1.40083774""",
        {"dba[4]": [-1.40083774]},
    ),
    "instead of, should be": Form(
        RNN,
        "dba[4] is -1.40083774 instead of -0.74747722\n"
        "dWaa[1][2] is -1.19373448 but should be 2.30333313",
        {"dba[4]": [-1.40083774], "dWaa[1][2]": [-1.19373448]},
    ),
    "few digits": Form(
        RNN,
        "dx[1][2] = [-0.41, -0.59, 0.025, 0.015]; dba[4] = -1.4",
        {"dx[1][2]": [-0.41, -0.59, 0.025, 0.015], "dba[4]": [-1.4]},
    ),
    "not a number and infinite": Form(
        RNN,
        "dx[1][2] = [nan nan inf -inf]\ndba[4] = [NaN]\ndWax[3][1] = np.nan",
        {
            "dx[1][2]": [float("nan")] * 2 + [float("inf"), -float("inf")],
            "dba[4]": [float("nan")],
            "dWax[3][1]": [float("nan")],
        },
    ),
    "scientific notation": Form(
        RNN,
        "dx[1][2] = [-4.086444e-01 -5.925563e-01  2.466855e-02  1.483317e-02]\n"
        "dWax[3][1] = 9.08004894E+00",
        {
            "dx[1][2]": [-0.4086444, -0.5925563, 0.02466855, 0.01483317],
            "dWax[3][1]": [9.08004894],
        },
    ),
    "numbers with a point at the end": Form(
        RNN,
        "dx[1][2] = [0. 0. 0. 0.]\ndba[4] = [-0.]",
        {"dx[1][2]": [0.0] * 4, "dba[4]": [0.0]},
    ),
    "negative indices": Form(
        RNN, 'gradients["dba"][-1] = [-1.40083774]', {"dba[-1]": [-1.40083774]}
    ),
    "a slice": Form(
        RNN,
        "dx[1, 2, :] = [-0.4086444 -0.59255627 0.02466855 0.01483317]\n"
        "dba[3:, 0] = [0.5 -1.40083774]",
        {"dx[1][2][:]": DX, "dba[3:][0]": [0.5, -1.40083774]},
    ),
    "all of one leaf": Form(
        RNN,
        "dWaa =\n" + str(DWAA).replace("],", "]\n").replace(",", " "),
        {"dWaa": flat(DWAA)},
    ),
    "all of one leaf, as array( )": Form(
        RNN,
        "gradients['dba']\narray([[ 0.1],\n       [ 0.2],\n       [-0.3],\n"
        "       [ 0.4],\n       [-1.40083774]])",
        {"dba": [0.1, 0.2, -0.3, 0.4, -1.40083774]},
    ),
    "a dictionary": Form(
        RNN,
        "{'dba': array([[ 0.1],\n       [ 0.2],\n       [-0.3],\n       [ 0.4],\n"
        "       [-1.4]]), 'dWaa': array(" + str(DWAA) + ")}",
        {"dba": [0.1, 0.2, -0.3, 0.4, -1.4], "dWaa": flat(DWAA)},
    ),
    "names of the notebook's variables": Form(
        RNN,
        'gradients_tmp["dba"][4] = [-1.40083774]\ngrads["da0"][2][3] = 0.35797355',
        {"dba[4]": [-1.40083774], "da0[2][3]": [0.35797355]},
    ),
    "other names of a leaf": Form(
        "rnn_forward",
        "a_tmp[4][1] = [-0.99999375  0.77911235 -0.99861469 -0.99833267]\n"
        "y[1][3] = [ 0.79560373  0.86224861  0.11118257  0.81515947]",
        {
            "a[4][1]": [-0.99999375, 0.77911235, -0.99861469, -0.99833267],
            "y_pred[1][3]": [0.79560373, 0.86224861, 0.11118257, 0.81515947],
        },
    ),
    "caches of a forward function": Form(
        "rnn_forward",
        "caches[1][1][3] = [-1.1425182  -0.34934272 -0.20889423  0.58662319]\n"
        "len(caches) = 2\na[4][1] = [-0.9  0.7 -0.9 -0.9]",
        {"a[4][1]": [-0.9, 0.7, -0.9, -0.9]},
    ),
    "a number without an equals sign": Form(
        "lstm_forward",
        "a[4][3][6] =  0.172117767533\nc[1][2][1] -0.855544916718",
        {"a[4][3][6]": [0.172117767533], "c[1][2][1]": [-0.855544916718]},
    ),
    "a question with words around": Form(
        RNN,
        "Hi, I am on exercise 6 of week 1 and have tried 3 times. My dba[4] is "
        "-1.40083774, and da0[2][3] comes out as 0.35797355. What is wrong?\n"
        "Thanks in advance!",
        {"dba[4]": [-1.40083774], "da0[2][3]": [0.35797355]},
        unread=1,
    ),
    "a failed assertion": Form(
        RNN,
        "AssertionError: \nArrays are not almost equal to 7 decimals\n"
        " ACTUAL: -1.40083774\n DESIRED: -0.74747722\nfor dba[4]\n"
        "da0[2][3] = 0.35797355",
        {"da0[2][3]": [0.35797355]},
        unread=4,
    ),
    "one line that cannot be read": Form(
        RNN,
        "dba[4] = -1.40083774\nd?x[1 = 0.3.4\ndx[1][2] = [1.0 2.0]",
        {"dba[4]": [-1.40083774]},
        unread=2,
    ),
    "a spreadsheet": Form(
        RNN,
        "dba[4]\t-1.40083774\t-0.74747722\nleaf\tmine\texpected\n"
        "dWaa[1][2]\t-1.19373448\t2.30333313",
        {"dWaa[1][2]": [-1.19373448]},
        unread=1,
    ),
    "a gate's bias with a shape": Form(
        LSTM,
        'gradients["dbi"][4] = -0.7340795\ngradients["dbi"].shape = (5,)\n'
        'gradients["dx"][1][2] = [ 0.01034214 1.03473735 -0.2398793 -0.43281115]',
        {
            "dbi[4]": [-0.7340795],
            "dx[1][2]": [0.01034214, 1.03473735, -0.2398793, -0.43281115],
        },
        {"dbi": (5,)},
    ),
    "print with several values": Form(
        RNN,
        "dba[4]: [-1.40083774] da0[2][3]: 0.35797355 dWax[3][1]: 9.0800489",
        {"dba[4]": [-1.40083774], "da0[2][3]": [0.35797355], "dWax[3][1]": [9.0800489]},
    ),
    "a thousand separator is no number": Form(
        RNN,
        "dba[4] = 1,234.5\nda0[2][3] = 0.35797355",
        {"da0[2][3]": [0.35797355]},
        unread=1,
    ),
    "JSON": Form(
        RNN,
        '{"dba[4]": -1.40083774, "dx[1][2]": [-0.4086444, -0.59255627, 0.02466855, '
        "0.01483317]}",
        {"dba[4]": [-1.40083774], "dx[1][2]": DX},
    ),
}
