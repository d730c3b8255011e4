"""Names and shapes of the tensors in the published files of SMCA-DETR, from the table of its layers."""
Shapes = dict[str, tuple[int, ...]]
BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def shapes(depth: int = 50, *, kinds: int = 2, classes: int = 92, layers: int = 6,
           encoder: dict | None = None) -> Shapes:
    """The state dict of a file; `encoder` as `conv_encoder` takes it for the released multi-scale form."""
    multi_scale = encoder is not None
    scales, width = (4, 1024) if multi_scale else (1, 2048)
    tensors = {'query_embed.weight': (300, 256), **linear('class_embed', 256, classes), **backbone(depth)}
    for i, out in enumerate((256, 256, 4)):
        tensors |= linear(f'bbox_embed.layers.{i}', 256, out)
    for i in range(layers):
        start = f'transformer.decoder.layers.{i}'
        tensors |= attention(f'{start}.self_attn') | attention(f'{start}.multihead_attn') | ffn(start, width)
        tensors |= norms(start, 1, 2, 3, 4) | linear(f'{start}.point2', 256, scales * 16)
        tensors |= linear(f'{start}.point3', 256, scales * 8 * kinds) if kinds else {}
        tensors |= linear(f'{start}.point4', 256, 4) if multi_scale else {}
    for i, out in enumerate((256, 256, 2)):
        tensors |= linear(f'transformer.decoder.layers.0.point1.layers.{i}', 256, out)
    tensors |= {f'transformer.decoder.norm.{leaf}': (256, ) for leaf in ('weight', 'bias')}
    return tensors | (conv_encoder(**encoder) if multi_scale else attention_encoder())


def linear(name: str, inputs: int, outputs: int, kernel: tuple[int, ...] = ()) -> Shapes:
    return {f'{name}.weight': (outputs, inputs, *kernel), f'{name}.bias': (outputs, )}


def attention(name: str) -> Shapes:
    return {f'{name}.in_proj_weight': (768, 256), f'{name}.in_proj_bias': (768, ),
            **linear(f'{name}.out_proj', 256, 256)}


def ffn(start: str, width: int) -> Shapes:
    return linear(f'{start}.linear1', 256, width) | linear(f'{start}.linear2', width, 256)


def norms(start: str, *indices: int) -> Shapes:
    return {f'{start}.norm{i}.{leaf}': (256, ) for i in indices for leaf in ('weight', 'bias')}


def attention_encoder() -> Shapes:
    tensors = linear('input_proj', 2048, 256, (1, 1))
    for i in range(6):
        start = f'transformer.encoder.layers.{i}'
        tensors |= attention(f'{start}.self_attn') | ffn(start, 2048) | norms(start, 1, 2)
    return tensors


def conv_encoder(kernel: int = 7, layers: int = 6, pointwise: bool = True, share_cross: bool = True) -> Shapes:
    tensors = {'transformer.level_embed': (4, 256), **linear('transformer.conv', 256, 256, (3, 3))}
    for channels in (512, 1024, 2048):
        tensors |= linear(f'input_proj_{channels}', channels, 256, (1, 1))
    tensors |= linear('input_proj_2048_3', 2048, 256, (3, 3))
    for i in range(layers):
        start = f'transformer.encoder.layers.{i}'
        depthwise = [f'self_attn_{stride}' for stride in (8, 16, 32, 64)]
        for name in ('high_to_low', 'low_to_high'):
            depthwise += [name] if share_cross else [f'{name}_{pair}' for pair in (1, 2, 3)]
        for name in depthwise:
            tensors |= linear(f'{start}.{name}', 1, 256, (kernel, kernel))
        for name in ('conv_1', 'conv_2') if pointwise else ():
            tensors |= linear(f'{start}.{name}', 256, 256, (1, 1))
        tensors |= ffn(start, 1024) | norms(start, 1, 2)
    return tensors


def backbone(depth: int) -> Shapes:
    tensors, inputs = conv_norm('conv1', 'bn1', 3, 64, 7), 64
    for stage, blocks in enumerate(BLOCKS[depth], 1):
        width = 32 * 2**stage
        for block in range(blocks):
            name = f'layer{stage}.{block}'
            tensors |= conv_norm(f'{name}.conv1', f'{name}.bn1', inputs, width, 1)
            tensors |= conv_norm(f'{name}.conv2', f'{name}.bn2', width, width, 3)
            tensors |= conv_norm(f'{name}.conv3', f'{name}.bn3', width, 4 * width, 1)
            if not block:
                tensors |= conv_norm(f'{name}.downsample.0', f'{name}.downsample.1', inputs, 4 * width, 1)
            inputs = 4 * width
    return {f'backbone.0.body.{name}': shape for name, shape in tensors.items()}


def conv_norm(conv: str, norm: str, inputs: int, outputs: int, kernel: int) -> Shapes:
    statistics = ('weight', 'bias', 'running_mean', 'running_var')
    kernels = {f'{conv}.weight': (outputs, inputs, kernel, kernel)}
    return kernels | {f'{norm}.{leaf}': (outputs, ) for leaf in statistics}
