import { IsInt, IsOptional, IsString, Length, Max, MaxLength, Min } from 'class-validator';
import { Type } from 'class-transformer';
import { AfterDto } from '../account/after.dto.js';

export class PasswordDto {
  @IsString()
  @Length(1, 200)
  readonly password!: string;
}

export class GroupDto {
  @IsString()
  @Length(1, 512)
  readonly group!: string;
}

export class ListDto extends AfterDto {
  @IsOptional()
  @IsString()
  @MaxLength(512)
  readonly group?: string;
}

export class SessionIdDto {
  @IsString()
  @Length(1, 200)
  readonly id!: string;
}

/** The most demo sessions that one request creates. */
export const MOST_DEMO = 1_000;

export class DemoDto {
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(MOST_DEMO)
  readonly count!: number;
}

export class OutageDto {
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(60)
  readonly seconds!: number;
}
