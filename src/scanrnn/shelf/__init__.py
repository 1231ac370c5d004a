"""The shelf: cells of the literature, each a step of a few lines, derived."""

from .conv_lstm import ConvLSTMParams as ConvLSTMParams
from .conv_lstm import conv_lstm as conv_lstm
from .coupled_lstm import CoupledLSTMParams as CoupledLSTMParams
from .coupled_lstm import coupled_lstm as coupled_lstm
from .layer_norm_gru import LayerNormGRUParams as LayerNormGRUParams
from .layer_norm_gru import layer_norm_gru as layer_norm_gru
from .layer_norm_lstm import LayerNormLSTMParams as LayerNormLSTMParams
from .layer_norm_lstm import layer_norm_lstm as layer_norm_lstm
from .leaky_rnn import LeakyRNNParams as LeakyRNNParams
from .leaky_rnn import leaky_rnn as leaky_rnn
from .mgu import MGUParams as MGUParams
from .mgu import mgu as mgu
from .orthogonal_rnn import OrthogonalRNNParams as OrthogonalRNNParams
from .orthogonal_rnn import orthogonal as orthogonal
from .orthogonal_rnn import orthogonal_rnn as orthogonal_rnn
from .peephole_lstm import PeepholeLSTMParams as PeepholeLSTMParams
from .peephole_lstm import peephole_lstm as peephole_lstm
from .projected_lstm import ProjectedLSTMParams as ProjectedLSTMParams
from .projected_lstm import projected_lstm as projected_lstm
from .ugrnn import UGRNNParams as UGRNNParams
from .ugrnn import ugrnn as ugrnn
