from .process.cli import main

main(prog_name="moorcheh-operator")
