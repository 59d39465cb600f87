# The lock -> locked.txt, what is installed with its hashes, and torch.txt, what PyTorch's own index
# has for processors:  bash choose_torch.sh cpu|cuda
set -euo pipefail
lock=requirements-locked.txt
case "$1" in
    cuda)
        cp "$lock" locked.txt
        ;;
    cpu)
        # A requirement begins at the margin, its hashes are indented.
        away='^(torch|torchvision|triton)==|^(nvidia|cuda)-'
        awk -v away="$away" '/^[a-z0-9]/ { keep = $1 !~ away } keep' "$lock" > locked.txt
        sed -nE 's/^((torch|torchvision)==[^ ]+).*/\1/p' "$lock" > torch.txt
        ;;
    *)
        echo "TORCH=$1: wanted cpu or cuda" >&2
        exit 2
        ;;
esac
