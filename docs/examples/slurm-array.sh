#!/bin/bash
# A Slurm job array that draws images in shares: sbatch --array=0-9 slurm-array.sh MODEL SEED IMAGES_PER_TASK FOLDER
# Each task has its own daemon on its cores and writes its shards, FOLDER/samples-INDEX.npy with 1,000 images from INDEX
# on; IMAGES_PER_TASK is a multiple of 1,000. A task that runs again draws the missing shards, with the same bytes.
#SBATCH --job-name=pixelcnn
#SBATCH --requeue
set -euo pipefail

model=$1 seed=$2 images=$3 output=$4
first=$((SLURM_ARRAY_TASK_ID * images))
folder=$(mktemp -d)  # on the node: a Unix socket works on one machine only
export PIXELCNN_SOCKET=$folder/pixelcnn.sock

pixelcnnd --model "$model" --socket "$PIXELCNN_SOCKET" --threads "${SLURM_CPUS_PER_TASK:-1}" &
daemon=$!
trap 'kill $daemon 2>/dev/null; wait $daemon || true; rm -rf "$folder"' EXIT
until pixelcnn status >/dev/null 2>&1; do
    kill -0 $daemon 2>/dev/null  # ends the task if the daemon has ended
    sleep 0.1
done

pixelcnn sample -n "$images" --seed "$seed" --first-index "$first" --output-dir "$output"
