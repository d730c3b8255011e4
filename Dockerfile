# An image for CUDA devices, or for the CPU. torch's wheels bring CUDA's libraries, so the base needs none.
#   docker build -t mmdet_ext .
#   docker run --gpus all --shm-size=8g -v "$PWD/data:/workspace/data" -v "$PWD/work_dirs:/workspace/work_dirs" \
#     mmdet_ext mim train mmdet_ext yolov9t_shapes.py
ARG BASE=python:3.12-slim
FROM ${BASE}

# OpenCV's library needs these two; the font is for drawn labels
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/*

ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# the versions of the tests first: this layer stays when only the code changes
WORKDIR /opt/mmdet_ext
RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements.txt requirements.lock ./
RUN pip install -q -c requirements.lock -r requirements.txt
COPY . .
RUN pip install -q -c requirements.lock . && python -m mmdet_ext.operators

WORKDIR /workspace
CMD ["python", "-m", "mmdet_ext.doctor"]
